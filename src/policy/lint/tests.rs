//! Each finding beside what looks like it and is fine.

use super::table::{SHIPPED, Spelling};
use super::*;
use crate::policy::compile::{Source, compile};

/// A small table: the tests do not change when the shipped one does.
const TABLE: &str = "\
find\truns\t-exec=id -ok=id\tstarts a program
find\twrites\t-delete\tremoves files
sort\twrites\t-o=/tmp/x --output=/tmp/x\twrites a file
sort\truns\t--compress-program=id\tstarts a program
sed\twrites\t-i --in-place[=x]\twrites what it reads
grep\treads\t-f=/tmp/x --file=/tmp/x\treads any file
uniq\twrites\t@2=/tmp/x\twrites its second operand
date\tchanges\t-s=1 @1=01020304\tsets the clock
ip\truns\tnetns_exec\tstarts a program
ip\tchanges\tlink_set l_s address_save\tchanges the network
systemctl\tchanges\trestart stop\tchanges units
curl\tnetwork\t*\tspeaks to the network
lsof\treads\t+m=/tmp/x\treads a file
crontab\tchanges\t* !-l\tchanges the table
git\twrites\tconfig_-o=/tmp/x\twrites a file
env\truns\t*\tstarts the program that its arguments name
halt\tchanges\t* -h\tstops the host
tc\tchanges\tqdisc_link\tchanges a queue
mysql\tchanges\t-e=drop -e=insert\tchanges a database
redis-cli\tchanges\tSET CONFIG_SET config_set\tchanges what a server holds
redis-cli\tsecrets\tCONFIG_GET !MAXMEMORY\tshows passwords
zgrep\tneeds\t/usr/bin/grep /usr/bin/gzip\ta script round them
";

const TYPES: &str = "\
types:
  log: { path: /var/log }
  tmp: { path: /tmp }
  letters: { match: '[a-z]+' }
  dashed: { match: '.[a-z=/-]*', dash: true }
  local: { match: '[a-z:/.]+' }
";

fn compiled(policy: &str) -> Compiled {
    let source = |text: String| Source { name: "p.yaml".to_owned(), bytes: text.into_bytes(), main: true };
    let types = if policy.contains("types:") { "" } else { TYPES };
    compile(&[source(format!("postern: 1\n{types}{policy}"))]).unwrap_or_else(|findings| panic!("{policy}: {findings:?}"))
}

fn linted(policy: &str) -> Report {
    let (table, mistakes) = Table::read(&[TABLE]);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    lint(&compiled(policy), &table)
}

/// The findings of a policy: their names, and the lines that show them.
fn names(policy: &str) -> Vec<String> {
    let shown = |finding: &Finding| [finding.name, &finding.example.join(" ")].join(" ").trim().to_owned();
    linted(policy).findings.iter().map(shown).collect()
}

/// A policy of one form that YAML takes as it is.
fn one(form: &str) -> String {
    format!("allow: [\"{form}\"]\n")
}

#[test]
fn dangerous_options_are_found_in_every_spelling_that_a_form_takes() {
    for (form, found) in [
        ("find <path>... [-name <text>]", &[][..]),
        ("find <path>... [-name <text>] [-delete]", &["writes find -delete /etc/hosts"]),
        ("find <path>... [-exec <word>]", &["runs find -exec id /etc/hosts"]),
        // Whatever comes behind `-name` is its value.
        ("find <path>... [-name <dashed>]", &["wide"]),
        ("sort [-r] [--] [<log>...]", &[]),
        ("sort [-o <log>]", &["writes sort -o /var/log/x"]),
        ("sort [-o -]", &[]),
        ("sort [-<letters>]", &["writes sort -ox"]),
        ("sort [--out[put] <log>]", &["writes sort --output /var/log/x"]),
        ("sort [--key <text>]", &[]),
        ("sed [-n] [-i] <script:sed>", &["writes sed -i s/a/b/"]),
        ("sed [-n] [-E] <script:sed>", &[]),
        ("sed [--in-place[=<letters>]] <script:sed>", &["writes sed --in-place s/a/b/"]),
        // What is read is a file that the form checks.
        ("grep [-f <log>] <pattern:text>", &[]),
        ("grep [-f <path>] <pattern:text>", &["reads grep -f /nonexistent/x abc"]),
        ("lsof [+<anything:text>]", &["reads lsof +m/nonexistent/x"]),
    ] {
        assert_eq!(names(&one(form)), found, "{form}");
    }
}

#[test]
fn subcommands_and_operands_are_found_where_the_program_reads_them() {
    for (form, found) in [
        ("ip l[ink] [show]", &[][..]),
        ("ip netns <what:word> <name:word>", &["runs ip netns exec abc"]),
        ("ip (link|addr) <what:name>", &["changes ip link set"]),
        ("systemctl (status|show) <unit>...", &[]),
        ("systemctl [--no-pager] <verb:word> <unit>", &["changes systemctl restart abc"]),
        ("systemctl status <unit>", &[]),
        ("uniq [-c] [<log>]", &[]),
        ("uniq [-c] [<log> [<log>]]", &["writes uniq /var/log/x /var/log/x"]),
        ("uniq <path>...", &["writes uniq /etc/hosts /tmp/x"]),
        ("date [+<format:text>]", &[]),
        ("date [<when:text>]", &["changes date 01020304"]),
        ("crontab [-u <user>]", &["changes crontab"]),
        ("crontab -l [-u <user>]", &[]),
        ("git log [-o <path>]", &[]),
        ("git (config|log) [-o <path>]", &["writes git config -o /tmp/x"]),
        ("env <word>", &["runs env abc"]),
        // A word of the form's own, shortened to one of the program's.
        ("tc q[disc] [l[ist]]", &["changes tc qdisc l"]),
        ("tc q[disc] [li[st]]", &["changes tc qdisc li"]),
        ("tc q[disc] [s[how]]", &[]),
        ("tc qdisc [list]", &[]),
        // The table has beginnings of ip's words itself.
        ("ip l[ink] [s[how]]", &["changes ip l s"]),
        ("ip (address|route) [s[how]]", &[]),
        ("redis-cli (set|get) <word>", &["changes redis-cli set abc"]),
        ("redis-cli Config (Set|Reset) <word>", &["changes redis-cli Config Set abc"]),
        ("redis-cli config get (maxmemory|port)", &["secrets redis-cli config get port"]),
        ("redis-cli config get maxmemory", &[]),
    ] {
        assert_eq!(names(&one(form)), found, "{form}");
    }
}

#[test]
fn options_that_a_form_requires_are_found() {
    for (form, found) in [
        ("sort -o <log>", &["writes sort -o /var/log/x"][..]),
        ("sort (-r|-o <log>) [<log>]", &["writes sort -o /var/log/x"]),
        ("sort (-r|-n) [<log>]", &[]),
        ("find <path> -delete", &["writes find -delete /etc/hosts"]),
        // The values that do it are those of the table.
        ("mysql -e <what:show|status>", &[]),
        ("mysql -e <what:show|insert>", &["changes mysql -e insert"]),
    ] {
        assert_eq!(names(&one(form)), found, "{form}");
    }
}

#[test]
fn a_program_that_is_only_asked_what_it_is_does_nothing() {
    for (form, found) in [
        ("env --version", &[][..]),
        ("env (-V|--version|-h|--help|-'?')", &[]),
        ("env (help|version)", &[]),
        // The word is not required, or not alone, or another one is there.
        ("env [--version]", &["runs env"]),
        ("env --version <word>", &["runs env --version abc"]),
        ("env (-V|-h|--help|-v|-x)", &["runs env -x"]),
        // The table says what it does.
        ("halt (-h|--help)", &["changes halt -h"]),
        ("halt --help", &[]),
    ] {
        assert_eq!(names(&one(form)), found, "{form}");
    }
}

#[test]
fn what_a_confinement_accepts_is_counted_and_its_accept_of_nothing_is_useless() {
    for (confine, accepted, found) in [
        ("{ exec: any, accept: { exec: why } }", 1, &[][..]),
        ("{ read: [/var/lib], accept: { read: why } }", 1, &[]),
        ("{ read: [/var/lib/dpkg], accept: { read: why } }", 0, &["useless"]),
        ("{ read: [/var/lib], unhide: [/etc/netplan], accept: { read: why, unhide: why, exec: why } }", 2, &["useless"]),
    ] {
        let report = linted(&format!("confinements: {{ c: {confine} }}\nallow: [{{ run: [cat <log>, head <log>], confine: c }}]"));
        let names: Vec<&str> = report.findings.iter().map(|finding| finding.name).collect();
        assert_eq!((report.accepted, names.as_slice()), (accepted, found), "{confine}");
    }
}

#[test]
fn what_takes_more_than_it_seems_is_wide() {
    for (form, found) in [
        ("cat <log>...", &[][..]),
        ("cat **", &["wide"]),
        ("sort [-k <letters>]", &[]),
        ("sort [-k <dashed>]", &["wide"]),
        ("grep <letters>", &[]),
        ("grep <local>", &["wide"]),
        ("curl <local>", &["network curl a", "wide"]),
        // A text is meant to take anything.
        ("grep <text>", &[]),
    ] {
        assert_eq!(names(&one(form)), found, "{form}");
    }
}

#[test]
fn data_of_customers_and_what_is_hidden_are_in_reach_where_the_policy_says_so() {
    for (confine, path, found) in [
        ("inspect", "/var/log", &[][..]),
        ("inspect", "/home", &["secrets"]),
        ("{ base: inspect, read: [/var/lib] }", "/var/log", &["secrets"]),
        ("{ base: inspect, read: [/var/lib], accept: { read: why } }", "/var/log", &[]),
        ("{ base: inspect, read: [/var/lib/dpkg] }", "/var/log", &[]),
        ("{ base: inspect, unhide: [/etc/netplan] }", "/var/log", &["unhide"]),
        ("{ base: inspect, unhide: [/etc/netplan], accept: { unhide: why } }", "/var/log", &[]),
    ] {
        let policy = format!("types: {{ t: {{ path: {path} }} }}\nallow: [{{ run: cat <t>, confine: {confine} }}]\n");
        assert_eq!(names(&policy), found, "{policy}");
    }
}

#[test]
fn rules_that_decide_nothing_are_found() {
    for (policy, found) in [
        ("allow: ['ls [-l]', 'ls [-a]']", &[][..]),
        ("allow: ['ls [-l] [-a]', 'ls [-a]']", &["note shadowed"]),
        ("allow: ['ls [-l|-a]', 'ls [-l] [-a]']", &[]),
        ("allow: ['cat <path>', 'cat <log>']", &["note shadowed"]),
        ("allow: ['cat <log>', 'cat <path>']", &[]),
        ("allow: [{ run: 'ls [-a]', timeout: 5s }, 'ls [-a]']", &["warning shadowed"]),
        // Where the shell cannot become adm, the second decides.
        ("allow: [{ run: 'ls [-a]', as: ':adm' }, 'ls [-a]']", &[]),
        ("allow: ['ls [-a]', { run: 'ls [-a]', as: ':adm' }]", &["warning shadowed"]),
        ("allow: ['ls (-a|-l)']\ndeny: ['ls ** -a']", &[]),
        ("allow: ['ls -a']\ndeny: ['ls ** -a']", &["warning unreachable"]),
        ("hosts: ['db-*', '!*']\nallow: ['ls']", &["warning unreachable"]),
        ("hosts: ['db-*', '!db-1']\nallow: ['ls']", &[]),
    ] {
        let shown = |finding: &Finding| format!("{} {}", finding.level.name(), finding.name);
        assert_eq!(linted(policy).findings.iter().map(shown).collect::<Vec<_>>(), found, "{policy}");
    }
}

#[test]
fn programs_that_break_and_root_without_need_are_found() {
    for (rule, found) in [
        ("run: zgrep <text> <log>, confine: inspect", &["breaks"][..]),
        ("run: zgrep <text> <log>, confine: { exec: [/usr/bin/grep] }", &["breaks"]),
        ("run: zgrep <text> <log>, confine: { exec: [/bin/grep, /bin/gzip] }", &[]),
        ("run: cat <log>, as: root", &["root"]),
        ("run: cat <log>, as: ':adm'", &[]),
        ("run: ls, as: root, confine: { capabilities: [CAP_SYSLOG] }", &[]),
    ] {
        assert_eq!(names(&format!("allow: [{{ {rule} }}]\n")), found, "{rule}");
    }
}

#[test]
fn the_second_door_makes_an_error_a_warning_and_is_named() {
    for (confine, level, says) in [
        ("inspect", Level::Warning, "the second door refuses it"),
        ("{ exec: [/usr/bin/id] }", Level::Warning, "what `exec` lists"),
        ("open", Level::Error, "nothing of the second door"),
    ] {
        let report = linted(&format!("allow: [{{ run: 'env <word>', confine: {confine} }}]"));
        let finding = report.findings.first().unwrap();
        assert!(finding.level == level && finding.why.contains(says), "{confine}: {finding:?}");
    }
}

#[test]
fn what_is_accepted_is_counted_and_an_accept_of_nothing_is_useless() {
    for (accept, accepted, found) in [
        ("{ writes: why }", 1, &["wide"][..]),
        ("{ writes: why, wide: why }", 2, &[]),
        ("{ writes: why, wide: why, runs: why }", 2, &["useless"]),
    ] {
        let report = linted(&format!("allow: [{{ run: ['uniq -c <log>', 'uniq **'], accept: {accept} }}]"));
        let names: Vec<&str> = report.findings.iter().map(|finding| finding.name).collect();
        assert_eq!((report.accepted, names.as_slice()), (accepted, found), "{accept}");
    }
    let open = linted("allow: [{ run: ls, confine: open, accept: { open: why } }]");
    assert_eq!((open.accepted, open.findings.len()), (1, 0));
}

#[test]
fn what_many_rules_share_is_said_once() {
    let report = linted("types: { t: { path: /home } }\nallow: ['cat <t>', 'head <t>', 'tail <t>']");
    let why: Vec<&str> = report.findings.iter().map(|finding| finding.why.as_str()).collect();
    assert!(matches!(why.as_slice(), [why] if why.ends_with("(so do 2 more rules of this file)")), "{why:?}");
}

#[test]
fn any_words_for_a_program_of_the_shipped_table_are_found_with_each_of_its_spellings() {
    for program in SHIPPED.programs() {
        let rows = SHIPPED.rows(program);
        let rule = &compiled(&format!("allow: ['{program} **']")).rules[program].allow[0];
        let judges = Judges::of(std::iter::once(&rule.confine));
        let (found, _) =
            insert::found(rule, program, &Sampler::new(&rule.form, judges.by(&rule.confine).unwrap(), &Samples::default()), rows);
        // `SET` and `set` are one to a program that does not tell cases apart.
        let caseless = found.len() < rows.iter().map(|row| row.spellings.len()).sum();
        let spelled = |row: usize, spelling: &Spelling| {
            (row, if caseless { format!("{spelling:?}").to_lowercase() } else { format!("{spelling:?}") })
        };
        let spellings = rows.iter().enumerate().flat_map(|(index, row)| row.spellings.iter().map(move |spelling| (index, spelling)));
        let spellings = spellings.filter(|(_, spelling)| !matches!(spelling, Spelling::Always));
        let spellings = spellings.map(|(row, spelling)| spelled(row, spelling)).collect::<BTreeSet<_>>().len();
        assert!(found.len() >= spellings, "{program}: {} of {spellings}", found.len());
    }
}
