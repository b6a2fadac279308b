//! Local sockets: those that the confinement `service` connects to, and those that no rule should without a thought.
//!
//! The list of `service` holds what programs that look at services talk to. Whoever can talk to a server has what the server gives, and
//! the second door does not bind a server: which verbs of `systemctl` or `docker` are let through is the forms' to say. Left out, by
//! decision: sockets that take log records, sockets of datagrams (`chronyd`, `wpa_supplicant`), agents of keys, terminals of other people, and
//! what lies where everybody can put something (`/tmp/.s.PGSQL.5432`).

/// Sockets that are there for one reason.
#[derive(Debug)]
pub struct Group {
    pub reason: &'static str,
    /// Absolute paths as they are once symbolic links are resolved, so `/run` and not `/var/run`; each stands for all that is below it as
    /// well.
    pub sockets: &'static [&'static str],
}

/// What the confinement `service` connects to.
pub const SERVICES: &[Group] = &[
    Group {
        reason: "the system bus and systemd",
        sockets: &[
            "/run/dbus/system_bus_socket",
            "/run/systemd/private",
            "/run/systemd/io.systemd.Hostname",
            "/run/systemd/io.systemd.Login",
            "/run/systemd/io.systemd.Manager",
            "/run/systemd/io.systemd.ManagedOOM",
            "/run/systemd/journal/io.systemd.journal",
            "/run/systemd/machine/io.systemd.Machine",
            "/run/systemd/netif/io.systemd.Network",
            "/run/systemd/oom/io.systemd.ManagedOOM",
            "/run/systemd/resolve/io.systemd.Resolve",
            "/run/systemd/resolve/io.systemd.Resolve.Monitor",
            "/run/udev/io.systemd.Udev",
        ],
    },
    Group {
        reason: "names of users and hosts",
        sockets: &[
            "/run/systemd/userdb",
            "/run/nscd/socket",
            "/run/nslcd/socket",
            "/run/samba/winbindd",
            "/run/avahi-daemon/socket",
            "/var/lib/sss/pipes/nss",
        ],
    },
    Group {
        reason: "containers",
        sockets: &[
            "/run/docker.sock",
            "/run/podman/podman.sock",
            "/run/containerd/containerd.sock",
            "/run/k3s/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/cri-dockerd.sock",
            "/var/lib/incus/unix.socket",
            "/var/lib/lxd/unix.socket",
            "/var/snap/lxd/common/lxd/unix.socket",
        ],
    },
    Group {
        reason: "virtual machines, the sockets that only look",
        sockets: &[
            "/run/libvirt/libvirt-sock-ro",
            "/run/libvirt/virtnetworkd-sock-ro",
            "/run/libvirt/virtnodedevd-sock-ro",
            "/run/libvirt/virtqemud-sock-ro",
            "/run/libvirt/virtstoraged-sock-ro",
        ],
    },
    Group {
        reason: "databases and caches",
        sockets: &[
            "/run/postgresql",
            "/run/pgbouncer",
            "/run/mysqld",
            "/run/mariadb",
            "/var/lib/mysql/mysql.sock",
            "/run/redis",
            "/run/valkey",
            "/run/memcached",
        ],
    },
    Group { reason: "proxies and application servers", sockets: &["/run/haproxy", "/run/haproxy-master.sock", "/run/php", "/run/php-fpm"] },
    Group {
        reason: "routing and neighbours",
        sockets: &["/run/frr", "/run/bird", "/run/lldpd", "/run/lldpd.socket", "/run/openvswitch", "/run/rpcbind.sock", "/run/unbound.ctl"],
    },
    Group { reason: "hardware and printers", sockets: &["/run/pcscd/pcscd.comm", "/run/cups/cups.sock", "/run/acpid.socket"] },
];

/// Sockets that give more than a place to talk: `postern check` warns of a rule that names one. Here `*` stays within a name.
pub const CAUTIONS: &[Group] = &[
    Group {
        reason: "it takes log records, so that the command can forge them",
        sockets: &[
            "/dev/log",
            "/run/systemd/journal/dev-log",
            "/run/systemd/journal/socket",
            "/run/systemd/journal/stdout",
            "/run/systemd/journal/syslog",
        ],
    },
    Group {
        reason: "whoever can talk to it is root; the second door does not bind a server",
        sockets: &[
            "/run/docker.sock",
            "/run/podman",
            "/run/containerd",
            "/run/k3s",
            "/run/crio",
            "/run/cri-dockerd.sock",
            "/run/libvirt/libvirt-sock",
            "/run/libvirt/virtqemud-sock",
            "/var/lib/incus",
            "/var/lib/lxd",
            "/var/snap/lxd",
        ],
    },
    Group {
        reason: "it starts programs that no door holds, or signs with somebody's keys",
        sockets: &["/tmp/tmux-*", "/run/screen", "/run/user", "/tmp/ssh-*"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::confinement::{Base, Confinement};
    use crate::policy::glob;

    fn covered(sockets: &[&str], path: &str) -> bool {
        sockets.iter().any(|socket| glob::path_or_below(socket, path, "/home/me"))
    }

    #[test]
    fn sockets_are_plain_paths_and_each_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for socket in SERVICES.iter().flat_map(|group| group.sockets) {
            assert!(socket.starts_with('/') && !socket.contains(['*', '?', '[']) && !socket.starts_with("/var/run"), "{socket}");
            assert!(seen.insert(socket), "{socket} twice");
        }
    }

    #[test]
    fn services_are_in_and_records_agents_and_terminals_are_not() {
        let service = Confinement::built_in(Base::Service);
        let sockets: Vec<&str> = service.all_sockets().collect();
        for path in ["/run/dbus/system_bus_socket", "/run/docker.sock", "/run/postgresql/.s.PGSQL.5433", "/run/libvirt/libvirt-sock-ro"] {
            assert!(covered(&sockets, path), "{path}");
        }
        for path in [
            "/dev/log",
            "/run/systemd/journal/dev-log",
            "/run/systemd/journal/socket",
            "/run/systemd/journal/stdout",
            "/run/systemd/journal/syslog",
            "/run/systemd/notify",
            "/run/libvirt/libvirt-sock",
            "/run/user/1000/gnupg/S.gpg-agent",
            "/tmp/ssh-x/agent.1",
            "/tmp/tmux-0/default",
            "/run/screen/S-root/1",
        ] {
            assert!(!covered(&sockets, path), "{path}");
        }
    }

    #[test]
    fn other_confinements_have_their_own_sockets_alone() {
        let own = Confinement { sockets: vec!["/run/mine".to_owned()], ..Confinement::built_in(Base::Inspect) };
        assert_eq!(own.all_sockets().collect::<Vec<_>>(), ["/run/mine"]);
        let both = Confinement { base: Base::Service, ..own };
        assert!(both.all_sockets().any(|socket| socket == "/run/mine") && both.all_sockets().any(|socket| socket == "/run/docker.sock"));
        assert_eq!(Confinement::built_in(Base::Network).all_sockets().count(), 0);
    }
}
