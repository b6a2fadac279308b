//! What the built-in confinements read on a Debian or RHEL host: what diagnosis needs, and not what is secret or somebody's data.

use postern::policy::confinement::{Base, Confinement};

const HOME: &str = "/home/breakglass";

const SECRET: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/var/backups/shadow.bak",
    "/etc/security/opasswd",
    "/etc/sudoers",
    "/etc/sudoers.d/90-cloud",
    "/etc/ssl/private/server.pem",
    "/etc/pki/tls/private/localhost.pem",
    "/etc/nginx/tls/site.key",
    "/etc/postgresql/certs/server-key.pem",
    "/etc/letsencrypt/live/example.com/privkey.pem",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/krb5.keytab",
    "/etc/wireguard/wg0.conf",
    "/etc/NetworkManager/system-connections/office.nmconnection",
    "/etc/kubernetes/admin.conf",
    "/etc/bind/rndc.key",
    "/root/.ssh/id_ed25519",
    "/home/alice/.ssh/authorized_keys",
    "/home/breakglass/.pgpass",
    "/var/lib/postgresql/.pgpass",
    "/srv/users/alice/.aws/credentials",
    "/home/alice/.bash_history",
    "/root/.config/gcloud/credentials.db",
    "/proc/1/environ",
    "/proc/811/task/812/environ",
    "/proc/811/mem",
    "/proc/811/root/etc/passwd",
    "/proc/811/fd/3",
    "/proc/self/environ",
    "/proc/kcore",
    "/proc/kmsg",
    "/dev/mem",
    "/dev/sda",
    "/dev/sda1",
    "/dev/nvme0n1p2",
    "/dev/vda1",
    "/dev/dm-0",
    "/dev/mapper/vg-root",
    "/dev/disk/by-uuid/x",
    "/dev/shm/PostgreSQL.1",
    "/sys/kernel/debug/x",
    "/sys/firmware/efi/efivars/x",
    "/run/secrets/db",
    "/run/credentials/unit/x",
    "/run/docker.sock",
    "/run/user/1000/keyring",
    "/var/lib/docker/containers/x/config.v2.json",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/var/lib/cloud/instance/user-data.txt",
    "/var/lib/systemd/coredump/core.x",
    "/var/lib/postern/applied",
    "/var/log/postern/x.jsonl",
    "/var/log/btmp",
];

const NEEDED: &[&str] = &[
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/fstab",
    "/etc/ssh/sshd_config",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/nginx/nginx.conf",
    "/etc/postgresql/15/main/postgresql.conf",
    "/etc/systemd/system/x.service",
    "/etc/docker/daemon.json",
    "/etc/postern/policy.yaml",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/811/status",
    "/proc/811/maps",
    "/proc/811/cmdline",
    "/proc/net/tcp",
    "/proc/sys/vm/swappiness",
    "/sys/class/net/eth0/operstate",
    "/sys/block/sda/stat",
    "/sys/fs/cgroup/memory.stat",
    "/run/systemd/units/x",
    "/run/utmp",
    "/var/log/syslog",
    "/var/log/journal/x/system.journal",
    "/var/log/postgresql/postgresql-15-main.log",
    "/usr/share/doc/x",
    "/usr/lib/os-release",
    "/dev/null",
    "/dev/zero",
    "/dev/tty",
    "/dev/urandom",
];

#[test]
fn secrets_are_hidden_and_what_diagnosis_needs_is_not() {
    for base in [Base::Sealed, Base::Inspect, Base::Service, Base::Network] {
        let confinement = Confinement::built_in(base);
        SECRET.iter().for_each(|path| assert!(confinement.hides(path, HOME), "{path} is not hidden"));
        NEEDED.iter().for_each(|path| assert!(!confinement.hides(path, HOME), "{path} is hidden"));
    }
}

/// Data of customers and people: nobody hides it, and nobody reads it.
const ELSEWHERE: &[&str] =
    &["/srv/customers.db", "/home/alice/notes", "/root/notes", "/var/lib/postgresql/15/main/base/1", "/opt/app/x", "/tmp/x", "/dev/pts/3"];

#[test]
fn diagnosis_is_read_and_secrets_and_data_are_not() {
    for base in [Base::Inspect, Base::Service, Base::Network] {
        let confinement = Confinement::built_in(base);
        NEEDED.iter().for_each(|path| assert!(confinement.reads(path, HOME), "{path} is out of reach of {base}"));
        SECRET.iter().chain(ELSEWHERE).for_each(|path| assert!(!confinement.reads(path, HOME), "{base} reads {path}"));
    }
    let sealed = Confinement::built_in(Base::Sealed);
    for path in ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/etc/ld.so.cache", "/usr/share/zoneinfo/UTC", "/etc/passwd", "/dev/null"] {
        assert!(sealed.reads(path, HOME), "{path} is out of reach of sealed");
    }
    for path in ["/etc/fstab", "/var/log/syslog", "/proc/811/status", "/run/utmp", "/usr/share/doc/x"].iter().chain(SECRET).chain(ELSEWHERE)
    {
        assert!(!sealed.reads(path, HOME), "sealed reads {path}");
    }
    let open = Confinement::built_in(Base::Open);
    SECRET.iter().chain(ELSEWHERE).chain(NEEDED).for_each(|path| assert!(open.reads(path, HOME), "{path} is out of reach of open"));
}

#[test]
fn a_confinement_reads_what_it_names_and_what_it_writes_but_nothing_hidden() {
    let own = Confinement {
        read: vec!["/srv/data".to_owned()],
        write: vec!["/srv/out".to_owned()],
        roots: vec!["/opt/*/log/**".to_owned(), "~/notes".to_owned()],
        hide: vec!["/srv/data/keys".to_owned()],
        ..Confinement::built_in(Base::Sealed)
    };
    for path in ["/srv/data", "/srv/data/x", "/srv/out/x", "/opt/app/log/x/y", "/home/breakglass/notes"] {
        assert!(own.reads(path, HOME), "{path} is out of reach");
    }
    for path in ["/srv", "/srv/database", "/srv/data/keys", "/srv/data/.ssh/id", "/srv/out/.pgpass", "/opt/app/log", "/home/alice/notes"] {
        assert!(!own.reads(path, HOME), "reads {path}");
    }
    for (path, writes) in [("/srv/out/x", true), ("/srv/out/.pgpass", false), ("/srv/data/x", false)] {
        assert_eq!(own.writes(path, HOME), writes, "{path}");
    }
}

#[test]
fn a_confinement_hides_more_or_less_only_by_name() {
    let more = Confinement { hide: vec!["~/notes".to_owned(), "/srv/**".to_owned()], ..Confinement::built_in(Base::Inspect) };
    assert!(more.hides("/home/breakglass/notes/x", HOME) && more.hides("/srv/data", HOME) && !more.hides("/home/alice/notes", HOME));
    let less = Confinement { unhide: vec!["/etc/ssl/private/public".to_owned()], ..Confinement::built_in(Base::Inspect) };
    assert!(!less.hides("/etc/ssl/private/public/x", HOME) && less.hides("/etc/ssl/private/x", HOME) && less.hides("/etc/shadow", HOME));
    let open = Confinement::built_in(Base::Open);
    assert!(SECRET.iter().all(|path| !open.hides(path, HOME)));
}
