//! What stands round every session: PAM, and the places that an account can write to.

use std::path::PathBuf;

use super::finding::{Check, Finding, quoted};
use super::home::Home;
use super::host::{Host, Mount};
use super::reading::{Unread, lines, names, text};

pub const CHECKS: &[Check] = &[
    Check { id: "session.environment", run: |_| pam(environment) },
    Check { id: "session.limits", run: |_| pam(limits) },
    Check { id: "session.mounts", run: mounts },
];

/// A file of /etc/pam.d: its name and its lines.
type Service = (String, Vec<String>);

fn pam(judge: fn(&[Service]) -> Vec<Finding>) -> Vec<Finding> {
    let read = || -> Result<Vec<Service>, Unread> {
        names("/etc/pam.d")?.into_iter().map(|name| text(format!("/etc/pam.d/{name}")).map(|text| (name, lines(&text)))).collect()
    };
    match read() {
        Ok(services) => judge(&services),
        Err(unread) => vec![unread.skipped("/etc/pam.d")],
    }
}

/// pam_env(8) with `user_readenv=1` reads ~/.pam_environment into the login shell's environment.
fn environment(services: &[Service]) -> Vec<Finding> {
    let reads = |line: &&String| line.contains("pam_env.so") && line.contains("user_readenv=1");
    let found: Vec<Finding> = services
        .iter()
        .filter(|(_, lines)| lines.iter().any(|line| reads(&line)))
        .map(|(name, _)| {
            let path = format!("/etc/pam.d/{name}");
            Finding::warning(&path, "user_readenv=1: ~/.pam_environment can preload a library into the login shell")
                .script(format!("sed -i 's/ user_readenv=1//' {}", quoted(&path)))
        })
        .collect();
    if found.is_empty() { vec![Finding::ok("/etc/pam.d", "no file of an account's configures its session")] } else { found }
}

/// Whether limits.conf(5) holds for sessions of sshd.
fn limits(services: &[Service]) -> Vec<Finding> {
    let includes = ["sshd", "common-session", "password-auth", "system-auth", "postlogin"];
    let has = |(name, lines): &Service| includes.contains(&name.as_str()) && lines.iter().any(|line| line.contains("pam_limits.so"));
    if services.is_empty() {
        return vec![Finding::skipped("/etc/pam.d", "there is no PAM on this host")];
    }
    vec![match services.iter().any(has) {
        true => Finding::ok("pam_limits", "limits.conf(5) holds for sessions"),
        false => Finding::note("pam_limits", "no limits hold for a session as a whole, only those of rules for their commands")
            .fix("`session required pam_limits.so` in /etc/pam.d/sshd"),
    }]
}

/// The file systems on which an account can leave files: /tmp and its like, and its home directory.
fn mounts(host: &Host) -> Vec<Finding> {
    let homes = host.accounts.iter().filter(|account| matches!(account.home, Home::There { writable: true, .. }));
    let homes = homes.map(|account| account.user.home.clone());
    let places = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).into_iter().filter(|place| place.is_dir()).chain(homes);
    let mut places: Vec<PathBuf> = places.collect();
    places.sort();
    places.dedup();
    places.iter().map(|place| mounted(&place.display().to_string(), host.mount_of(place))).collect()
}

fn mounted(place: &str, mount: Option<&Mount>) -> Finding {
    let Some(mount) = mount else { return Finding::skipped(place, "no mount is known for it") };
    let lacks: Vec<&str> = ["nosuid", "nodev", "noexec"].into_iter().filter(|option| !mount.has(option)).collect();
    let on = mount.point.display();
    match lacks[..] {
        [] => Finding::ok(place, format!("{on} is mounted nosuid,nodev,noexec")),
        _ => Finding::note(place, format!("accounts can write there, and {on} is mounted without {}", lacks.join(",")))
            .fix(format!("{} for it in /etc/fstab, on a file system of its own", lacks.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn services(sshd: &str) -> Vec<Service> {
        vec![("login".to_owned(), lines("session required pam_unix.so")), ("sshd".to_owned(), lines(sshd))]
    }

    #[test]
    fn pam_is_judged_by_its_files() {
        for (text, environment_level, limits_level) in [
            ("session required pam_env.so user_readenv=1 envfile=/etc/default/locale", Level::Warning, Level::Note),
            ("# session required pam_env.so user_readenv=1\nsession required pam_limits.so", Level::Ok, Level::Ok),
            ("session required pam_env.so user_readenv=0", Level::Ok, Level::Note),
        ] {
            assert_eq!(environment(&services(text))[0].level, environment_level, "{text}");
            assert_eq!(limits(&services(text))[0].level, limits_level, "{text}");
        }
    }

    #[test]
    fn what_a_mount_lacks_is_named() {
        let mount = |options: &str| Mount {
            point: "/tmp".into(),
            kind: "tmpfs".to_owned(),
            options: options.split(',').map(str::to_owned).collect(),
        };
        assert_eq!(mounted("/tmp", Some(&mount("rw,nosuid,nodev,noexec"))).level, Level::Ok);
        let finding = mounted("/tmp", Some(&mount("rw,nosuid")));
        assert!(finding.level == Level::Note && finding.message.ends_with("without nodev,noexec"), "{}", finding.message);
    }
}
