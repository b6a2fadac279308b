//! What the second door leaves of what the first lets through, and what it leaves out that a program needs.

use super::table::{Effect, Table};
use super::{Level, Problem};
use crate::policy::confinement::{Base, Confinement, Exec, Processes};
use crate::policy::hidden::HIDDEN;
use crate::policy::{glob, rule::Rule};

/// Places whose contents are customers' or people's, however deep a path leads into them.
const PRIVATE: [&str; 12] = [
    "/home",
    "/root",
    "/var/backups",
    "/var/mail",
    "/var/spool/cron",
    "/var/spool/mail",
    "/var/lib/docker",
    "/var/lib/mongodb",
    "/var/lib/mysql",
    "/var/lib/pgsql",
    "/var/lib/postgresql",
    "/var/lib/redis",
];

/// Places that hold such ones: to name what is below them is fine.
const HOLDING: [&str; 11] = ["/", "/data", "/dev", "/export", "/media", "/mnt", "/srv", "/var", "/var/lib", "/var/spool", "/var/www"];

/// How bad it is that the first door lets an effect through, and what the second says to that.
pub fn behind(effect: Effect, confine: &Confinement) -> (Level, &'static str) {
    let open = confine.base == Base::Open;
    let talks = matches!(confine.base, Base::Service | Base::Network) || !confine.sockets.is_empty() || !confine.network.is_empty();
    let outbound = confine.base == Base::Network || !confine.network.is_empty();
    let (held, how) = match effect {
        Effect::Runs => (
            confine.exec != Exec::Any,
            if confine.exec == Exec::None { "the second door refuses it" } else { "the second door leaves what `exec` lists" },
        ),
        Effect::Writes => (!confine.writes_anything(), "the second door refuses it"),
        Effect::Reads => (true, "the second door leaves the places of the confinement"),
        Effect::Loads => (!confine.writes_anything(), "the second door leaves libraries in the places of the confinement"),
        Effect::Network => (!outbound, "the second door refuses it"),
        Effect::Changes => (!talks && confine.capabilities.is_empty() && !confine.writes_anything(), "the second door refuses it"),
        Effect::Listens => (true, "the second door refuses it"),
        Effect::Secrets => {
            (!talks && confine.unhide.is_empty() && confine.processes == Processes::Own, "the second door leaves what is not hidden")
        }
    };
    if held && !open { (Level::Warning, how) } else { (Level::Error, "nothing of the second door stands in its way") }
}

/// Customers' data and keys in the places that a rule reads.
pub fn in_reach(rule: &Rule) -> Vec<Problem> {
    let confine = &rule.confine;
    let mut problems = Vec::new();
    let types = rule.form.types.iter().flat_map(|definition| definition.roots()).map(|glob| ("a path type of the form", glob));
    let reads = [&confine.read, &confine.write].into_iter().flatten().map(|path| ("the confinement", path));
    let broad: Vec<(&str, &String)> = types.chain(reads).filter(|(_, glob)| is_broad(glob)).collect();
    if let Some((what, _)) = broad.first() {
        let globs = broad.iter().map(|(_, glob)| glob.as_str()).collect::<Vec<_>>().join(", ");
        let why = format!("{what} reads {globs}: customers' data, homes or devices");
        problems.push(Problem::new(Level::Warning, "secrets", why, "name the directories below it that the command is for").about("read"));
    }
    if let Some(glob) = confine.unhide.first() {
        let covers = |pattern: &str| glob::path_or_below(pattern, glob, "/") || glob::path_or_below(glob, pattern, "/");
        let group = HIDDEN.iter().find(|group| group.paths.iter().any(|pattern| covers(pattern)));
        let what = group.map_or("what the policy hides", |group| group.reason);
        let why = format!("the confinement shows {}, which is hidden: {what}", confine.unhide.join(", "));
        problems.push(Problem::new(Level::Warning, "unhide", why, "show no more than the command cannot do without").about("unhide"));
    }
    problems
}

/// Whether a glob is, or leads into, a place where customers' or people's data are.
fn is_broad(glob: &str) -> bool {
    let sign = glob.find(['*', '?', '[']).unwrap_or(glob.len());
    let plain = glob.get(..sign).unwrap_or(glob);
    let whole = plain.rfind('/').filter(|_| sign < glob.len()).and_then(|slash| plain.get(..slash)).unwrap_or(plain).trim_end_matches('/');
    let whole = if whole.is_empty() { "/" } else { whole };
    HOLDING.contains(&whole) || PRIVATE.iter().any(|place| glob::path_or_below(place, whole, ""))
}

/// Programs that the rule's own starts in any case, and that its confinement does not let it.
pub fn breaks(rule: &Rule, program: &str, table: &Table) -> Option<Problem> {
    let listed = |path: &String| match &rule.confine.exec {
        Exec::Any => true,
        Exec::None => false,
        Exec::Paths(paths) => paths.iter().any(|listed| listed.rsplit('/').next() == path.rsplit('/').next()),
    };
    let missing: Vec<&str> = table.needs(program).iter().filter(|path| !listed(path)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        let why = format!("{program} starts {}, and the confinement `{}` does not let it", missing.join(" and "), rule.confine.name);
        Problem::new(Level::Warning, "breaks", why, format!("list under `exec` of a confinement: [{}]", missing.join(", ")))
    })
}

/// Root, where nothing says what for.
pub fn root(rule: &Rule) -> Option<Problem> {
    let root = rule.run_as.as_deref().is_some_and(|user| user == "root" || user.starts_with("root:"));
    let idle = rule.confine.capabilities.is_empty() && !rule.confine.writes_anything() && rule.confine.all_sockets().next().is_none();
    (root && idle).then(|| {
        let why = "it runs as root, and has nothing of root's but the right to read files of root's own";
        Problem::new(Level::Note, "root", why, "name by `as` the group that may read them, such as `:adm`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_customers_and_people_are_broad_and_what_is_named_below_them_is_not() {
        for (glob, broad) in [
            ("/", true),
            ("/**", true),
            ("/home/*/app.log", true),
            ("/home/app/log", true),
            ("/srv", true),
            ("/srv/*", true),
            ("/srv/outgoing", false),
            ("/var/**", true),
            ("/var/log", false),
            ("/var/lib/postgresql/15/main/**", true),
            ("/var/lib/dpkg", false),
            ("/dev/*", true),
            ("/dev/kmsg", false),
        ] {
            assert_eq!(is_broad(glob), broad, "{glob}");
        }
    }

    #[test]
    fn what_the_second_door_refuses_is_a_warning_and_the_rest_an_error() {
        use Effect::*;
        for (base, errors) in [
            (Base::Inspect, &[][..]),
            (Base::Service, &[Changes, Secrets]),
            (Base::Network, &[Network, Changes, Secrets]),
            (Base::Open, &[Runs, Writes, Reads, Loads, Network, Changes, Listens, Secrets]),
        ] {
            let confine = Confinement::built_in(base);
            for effect in [Runs, Writes, Reads, Loads, Network, Changes, Listens, Secrets] {
                assert_eq!(behind(effect, &confine).0 == Level::Error, errors.contains(&effect), "{base} {effect:?}");
            }
        }
    }
}
