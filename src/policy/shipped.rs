//! The policies that the project ships, as they stand in `policies/`: parts that read, each for one kind of thing on a host. They stand
//! alone and together.

use super::compile::Source;

/// One shipped part.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    /// What it lets people look at.
    pub about: &'static str,
    /// Programs that tell that a host is of its kind; none where every host is.
    pub programs: &'static [&'static str],
    /// The source, as `policies/NAME.yaml` has it.
    pub policy: &'static str,
    /// Its golden lines, as `policies/NAME.golden` has them.
    pub golden: &'static str,
}

macro_rules! part {
    ($name:literal, $about:literal, $programs:expr) => {
        Part {
            name: $name,
            about: $about,
            programs: &$programs,
            policy: include_str!(concat!("../../policies/", $name, ".yaml")),
            golden: include_str!(concat!("../../policies/", $name, ".golden")),
        }
    };
}

/// All parts, in the order in which they are read.
pub const PARTS: [Part; 15] = [
    part!("diagnostics", "the host: load, memory, processes, hardware, files by name", []),
    part!("logs", "journal, audit trail and the state of log rotation", []),
    part!("systemd", "units, timers, sessions and boots", ["systemctl"]),
    part!("network", "addresses, routes, sockets, firewalls, names, reachability", []),
    part!("storage", "disks, volumes, arrays and file systems", []),
    part!("text", "contents of files, and the tools of a pipeline", []),
    part!("packages", "what is installed, and from where", []),
    part!("git", "histories of repositories", ["git"]),
    part!("containers", "containers and clusters", ["docker", "podman", "nerdctl", "crictl", "ctr", "kubectl", "helm", "virsh", "lxc"]),
    part!(
        "web",
        "web servers and proxies",
        ["nginx", "apache2", "apache2ctl", "httpd", "haproxy", "caddy", "varnishd", "squid", "lighttpd", "php"]
    ),
    part!("postgres", "statistics and settings of PostgreSQL", ["psql", "pg_lsclusters", "pgbouncer"]),
    part!("mysql", "status and settings of MySQL, MariaDB and MongoDB", ["mysql", "mariadb", "mysqld", "mariadbd", "mongosh", "mongo"]),
    part!("redis", "status of Redis, Valkey and memcached", ["redis-cli", "valkey-cli", "keydb-cli", "memcached"]),
    part!("queue", "queues of messages and mail", ["rabbitmqctl", "kafka-topics", "kafka-topics.sh", "postqueue", "exim4", "nats"]),
    part!("switch", "routing daemons, bridges, neighbours, switches", ["vtysh", "lldpctl", "birdc", "ovs-vsctl", "gobgp", "sonic-cfggen"]),
];

/// The part of that name.
pub fn named(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// All of them, as sources of one policy.
pub fn sources() -> Vec<Source> {
    let source = |part: &Part| Source { name: format!("policies/{}.yaml", part.name), bytes: part.policy.as_bytes().to_vec(), main: false };
    PARTS.iter().map(source).collect()
}
