//! Lesser kernels: what is lost on each, what still holds, and that no more is claimed than holds.

use std::process::{Child, Command, Stdio};

use postern::policy::confinement::{Base, Confinement};

use crate::harness::{Scratch, Shell, line, perl};

/// Prints the name of each attack that works. A file that any user may read and write stands for a customer's.
const ATTACKS: &str = r#"
    use Fcntl; use Socket; $| = 1;
    my ($dir, $shell, $bystander) = ("DIR", getppid, PID);
    sub works { my ($name, $done) = @_; print "$name\n" if $done }
    my $f;
    works("reads", open($f, "<", "$dir/customer") && defined <$f>);
    works("writes", open($f, ">>", "$dir/customer"));
    works("creates", open($f, ">", "$dir/new"));
    works("removes", unlink "$dir/spare");
    works("truncates", truncate("$dir/customer", 1));
    works("truncates by opening", sysopen($f, "$dir/customer", O_RDONLY | O_TRUNC));
    works("changes modes", chmod 0600, "$dir/customer");
    works("starts programs", system("/usr/bin/true") == 0);
    works("opens the network", socket($f, AF_INET, SOCK_STREAM, 0));
    works("sends to the network", socket($f, AF_INET, SOCK_DGRAM, 0) && send($f, "x", 0, sockaddr_in(9, INADDR_LOOPBACK)));
    works("connects to sockets", socket($f, AF_UNIX, SOCK_STREAM, 0) && connect($f, sockaddr_un("$dir/none")) || $!{ENOENT});
    works("signals the shell", kill 0, $shell);
    works("signals others", kill 0, $bystander);
    my @children;
    for (glob "/proc/$shell/task/*/children") { push @children, split " ", <$f> if open($f, "<", $_) }
    works("signals the relay", kill 0, grep { $_ != $$ } @children);
"#;

/// What each protection is to keep from happening.
const PREVENTS: [(&str, &[&str]); 6] = [
    ("reads", &["reads"]),
    ("writes", &["writes", "creates", "removes", "truncates", "truncates by opening", "changes modes"]),
    ("one_exec", &["starts programs"]),
    ("network", &["opens the network", "sends to the network"]),
    ("sockets", &["connects to sockets"]),
    ("signals", &["signals the shell", "signals others", "signals the relay"]),
];

struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The attacks that work, and the protections that are claimed.
fn attacked(confine: Confinement, landlock: u32, listener: bool) -> (Vec<String>, Vec<String>) {
    let scratch = Scratch::new();
    for name in ["customer", "spare"] {
        std::fs::write(scratch.path(name), "a secret\n").unwrap();
    }
    let bystander = Bystander(Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap());
    let script = ATTACKS.replace("DIR", scratch.0.to_str().unwrap()).replace("PID", &bystander.0.id().to_string());
    let (report, output) = Shell::on_kernel(line(&[perl(&script).confined(confine).timeout(60_000)]), landlock, listener).run();
    assert_eq!((report.refused, report.stages[0][0].as_str()), (None, "exit 0"), "{}", String::from_utf8_lossy(&output.stderr));
    let worked = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (worked, report.protections[0][0].clone())
}

#[test]
fn each_kernel_holds_what_is_claimed_of_it() {
    for listener in [true, false] {
        for landlock in 0..=7 {
            let (worked, claimed) = attacked(Confinement::built_in(Base::Inspect), landlock, listener);
            let kernel = format!("Landlock ABI {landlock}, listener {listener}: {worked:?} work, {claimed:?} are claimed");
            for (protection, attacks) in PREVENTS {
                let claims = claimed.iter().any(|claimed| claimed == protection);
                let fails = attacks.iter().all(|attack| !worked.iter().any(|worked| worked == attack));
                assert!(fails || !claims, "{protection} is claimed and does not hold. {kernel}");
            }
            // What needs no kernel that is newer than the oldest supported one.
            for always in
                ["truncates", "truncates by opening", "changes modes", "starts programs", "opens the network", "sends to the network"]
            {
                assert!(!worked.iter().any(|worked| worked == always), "{always}. {kernel}");
            }
            for always in ["signals the shell", "signals the relay"] {
                assert!(!worked.iter().any(|worked| worked == always), "{always}. {kernel}");
            }
            let lost: Vec<&str> = [("reads", landlock == 0), ("writes", landlock == 0), ("signals", landlock < 6 && !listener)]
                .into_iter()
                .filter_map(|(name, lost)| lost.then_some(name))
                .collect();
            let unclaimed: Vec<&str> =
                PREVENTS.iter().map(|(name, _)| *name).filter(|name| !claimed.iter().any(|claimed| claimed == name)).collect();
            assert_eq!(unclaimed, lost, "{kernel}");
        }
    }
}

#[test]
fn a_place_to_write_opens_no_other_on_any_kernel() {
    for listener in [true, false] {
        for landlock in 0..=7 {
            let confine = Confinement { write: vec!["/dev/shm".to_owned()], ..Confinement::built_in(Base::Inspect) };
            let (worked, claimed) = attacked(confine, landlock, listener);
            let claims = claimed.iter().any(|claimed| claimed == "writes");
            assert_eq!(claims, landlock > 0);
            let attacks = PREVENTS[1].1;
            let through: Vec<&String> = worked.iter().filter(|worked| claims && attacks.contains(&worked.as_str())).collect();
            assert!(through.is_empty(), "Landlock ABI {landlock}, listener {listener}: {through:?} work");
        }
    }
}

#[test]
fn each_attack_works_where_nothing_is_held() {
    let (worked, claimed) = attacked(Confinement::built_in(Base::Open), 0, false);
    let attacks: Vec<&str> = ATTACKS.split("works(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(worked, attacks);
    assert_eq!(claimed, ["no_new_privs", "no_capabilities", "no_core"]);
}
