//! Each way to break an install, one at a time.

use std::collections::BTreeSet;

use super::install::{Finding, Host, host, shell, start_rsyslogd};

/// What undoes what becomes of the shell when its set-user-ID bit is gone.
const ROOT_INSTALL: &str = "chown root:postern /usr/bin/posternsh; chmod 4750 /usr/bin/posternsh";

/// What undoes what became of the policy.
const AS_INSTALLED: &str = "cp -a /run/postern-test/etc/postern /etc/; postern apply; rm -f /var/lib/postern/previous";

/// One break: the ids of what it brings, how to do it, and how to undo what lies outside of /etc.
pub struct Break {
    ids: &'static [&'static str],
    script: &'static str,
    undo: &'static str,
}

pub const fn broken(ids: &'static [&'static str], script: &'static str) -> Break {
    Break { ids, script, undo: "" }
}

impl Break {
    const fn undo(self, undo: &'static str) -> Break {
        Break { undo, ..self }
    }
}

/// Breaks a host, and expects these findings more than before; the commands that are printed mend it, or else the break is undone.
pub fn assert_found_and_mended(host: &Host, broken: &Break, before: &BTreeSet<Finding>) {
    shell(broken.script);
    let new: Vec<_> = host.findings().difference(before).cloned().collect();
    let ids: BTreeSet<&str> = new.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, broken.ids.iter().copied().collect(), "{}\n{new:#?}", broken.script);
    if new.iter().all(|finding| finding.command.is_some()) {
        for command in new.iter().filter_map(|finding| finding.command.as_ref()) {
            shell(command);
        }
        let left: Vec<_> = host.findings().difference(before).cloned().collect();
        assert!(left.is_empty(), "{}\nis not mended: {left:#?}", broken.script);
    }
    shell(broken.undo);
    host.restore();
}

fn assert_all(breaks: &[Break]) {
    let Some(host) = host() else { return };
    let before = host.findings();
    breaks.iter().for_each(|broken| assert_found_and_mended(&host, broken, &before));
    assert_eq!(host.findings(), before, "all is as it was");
}

#[test]
fn breaks_of_the_programs_are_found() {
    assert_all(&[
        broken(&["shell.owner"], "chmod g+w /usr/bin/posternsh"),
        broken(&["shell.owner"], "chmod o+w /usr/bin/postern"),
        // chown takes the bit away, so what is left is the plain install, with rules that need more.
        broken(&["audit.directory", "policy.valid", "shell.owner", "shell.privilege"], "chown nobody /usr/bin/posternsh")
            .undo(ROOT_INSTALL),
        // Above both programs: one directory, found twice.
        broken(&["shell.owner"], "chmod g+w /usr/bin"),
        broken(&["audit.directory", "policy.valid", "shell.privilege"], "chmod u-s /usr/bin/posternsh").undo(ROOT_INSTALL),
        broken(&["shell.privilege"], "chmod g+s /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chmod o+x /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chmod 4755 /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chmod g-x /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chgrp users /usr/bin/posternsh; chmod 4750 /usr/bin/posternsh"),
        broken(&["shell.listed"], "echo /usr/bin/posternsh >> /etc/shells"),
        broken(&["shell.preload"], "find /usr/lib -name 'libm.so.6' | head -1 > /etc/ld.so.preload"),
        broken(&["shell.mount"], "mount --bind /usr/bin/posternsh /usr/bin/posternsh; mount -o remount,bind,noexec /usr/bin/posternsh")
            .undo("umount /usr/bin/posternsh"),
        broken(&["shell.mount"], "mount --bind /usr/bin/posternsh /usr/bin/posternsh; mount -o remount,bind,nosuid /usr/bin/posternsh")
            .undo("umount /usr/bin/posternsh"),
        broken(&["kernel.hidepid"], "mount -o remount,hidepid=2 /proc"),
    ]);
}

#[test]
fn breaks_of_the_policy_are_found() {
    assert_all(&[
        broken(&["policy.sources"], "chmod g+w /etc/postern/policy.yaml"),
        broken(&["policy.sources"], "chown nobody /etc/postern/policy.d"),
        broken(&["policy.valid"], "printf 'postern: 1\\nallow: [x\\n' > /etc/postern/policy.d/99.yaml"),
        broken(&["policy.ignored"], "touch /etc/postern/policy.d/99-db.yml"),
        broken(&["policy.ignored"], "touch /etc/postern/policy.yml"),
        broken(&["policy.state"], "chmod g+w /var/lib/postern"),
        broken(&["policy.applied"], "sed -i 's/idle: 30m/idle: 31m/' /etc/postern/policy.yaml").undo(AS_INSTALLED),
        broken(&["policy.applied"], "cp /var/lib/postern/applied /var/lib/postern/previous; truncate -s 100 /var/lib/postern/applied")
            .undo("rm -f /var/lib/postern/previous"),
        broken(
            &["policy.observe", "policy.valid"],
            "sed -i 's/^postern: 1/&\\nmode: observe/' /etc/postern/policy.d/05-diagnostics.yaml; postern apply",
        )
        .undo(AS_INSTALLED),
        broken(&["policy.previous"], "echo nonsense > /var/lib/postern/previous").undo("rm -f /var/lib/postern/previous"),
        broken(&["policy.home"], "touch /var/lib/postern/home/.psqlrc"),
        broken(&["policy.home"], "rmdir /var/lib/postern/home"),
        broken(&["policy.home"], "chown nobody /var/lib/postern/home"),
    ]);
}

#[test]
fn breaks_of_the_records_are_found() {
    assert_all(&[
        broken(&["audit.directory"], "chmod 755 /var/log/postern"),
        broken(&["audit.directory"], "chown nobody /var/log/postern"),
        broken(&["audit.directory"], "rm -r /var/log/postern"),
        broken(&["audit.directory"], "chmod 1733 /var/log/postern"),
        broken(&["audit.directory"], "chgrp postern /var/log/postern; chmod 750 /var/log/postern"),
        broken(&["audit.space"], "mount -t tmpfs -o size=1m,mode=700 tmpfs /var/log/postern").undo("umount /var/log/postern"),
        broken(&["audit.rsyslog"], "rm /etc/rsyslog.d/10-postern.conf"),
        broken(&["audit.rsyslog"], "echo 'global(maxMessageSize=\"1k\")' > /etc/rsyslog.d/01-small.conf"),
    ]);
}

#[test]
fn a_syslog_daemon_that_is_stopped_is_found() {
    let Some(host) = host() else { return };
    let before = host.findings();
    shell("kill $(cat /run/postern-test/rsyslogd.pid); while [ -e /run/postern-test/rsyslogd.pid ]; do sleep 0.1; done");
    let new: Vec<String> = host.findings().difference(&before).map(|finding| format!("{} {}", finding.id, finding.level)).collect();
    start_rsyslogd();
    assert_eq!(new, ["audit.syslog problem"]);
    assert_eq!(host.findings(), before);
}

/// What the shipped snippet holds, one line less or another one at a time.
#[test]
fn breaks_of_sshd_are_found() {
    assert_all(&[
        broken(&["sshd.config"], "echo 'Nonsense yes' > /etc/ssh/sshd_config.d/01.conf"),
        broken(&["sshd.command"], "sed -i '/ForceCommand/d' $snippet"),
        broken(
            &["sshd.command", "sshd.subsystem"],
            "sed -i '/ForceCommand/d' $snippet; sed -i 's,^Subsystem.*,Subsystem sftp internal-sftp,' /etc/ssh/sshd_config",
        ),
        broken(&["sshd.forwarding"], "sed -i '/DisableForwarding/d' $snippet"),
        broken(&["sshd.forwarding"], "sed -i '/X11Forwarding/d' $snippet; echo 'X11Forwarding yes' > /etc/ssh/sshd_config.d/01.conf"),
        broken(&["sshd.forwarding"], "sed -i '/AllowAgentForwarding/d' $snippet"),
        // Only for who comes from this host.
        broken(&["sshd.tunnel"], "printf 'Match Address 127.0.0.1\\n PermitTunnel yes\\nMatch all\\n' > /etc/ssh/sshd_config.d/00-a.conf"),
        broken(&["sshd.rc"], "sed -i '/PermitUserRC/d' $snippet"),
        broken(&["sshd.authinfo"], "sed -i '/ExposeAuthInfo/d' $snippet"),
        broken(&["sshd.keys"], "sed -i '/AuthorizedKeysFile/d' $snippet"),
        broken(&["sshd.keys"], "chmod g+w /etc/postern/authorized_keys/breakglass"),
        broken(&["sshd.keys"], "chown breakglass /etc/postern/authorized_keys"),
        broken(&["sshd.keys"], "rm /etc/postern/authorized_keys/breakglass"),
        broken(
            &["sshd.keys_command"],
            "printf 'AuthorizedKeysCommand /usr/bin/keys\\nAuthorizedKeysCommandUser nobody\\n' > /etc/ssh/sshd_config.d/01.conf",
        ),
        broken(&["sshd.certificates"], "echo 'TrustedUserCAKeys /etc/ssh/ca.pub' > /etc/ssh/sshd_config.d/01.conf"),
        // It adds, wherever it stands.
        broken(&["sshd.environment"], "printf 'Match User breakglass\\n AcceptEnv LD_*\\n' >> /etc/ssh/sshd_config"),
        broken(&["sshd.environment"], "sed -i 's/AcceptEnv .*/AcceptEnv SSH_*/' $snippet"),
        broken(&["sshd.user_environment"], "sed -i 's/^PermitUserEnvironment no/PermitUserEnvironment yes/' $snippet"),
        broken(&["sshd.tty"], "sed -i 's/PermitTTY yes/PermitTTY no/' $snippet"),
        broken(&["sshd.passwords"], "echo 'PermitEmptyPasswords yes' > /etc/ssh/sshd_config.d/01.conf"),
        broken(&["sshd.pam"], "sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config"),
        broken(
            &["sshd.others"],
            "printf 'Port 41022\\nListenAddress 127.0.0.1\\nPidFile /run/postern-test/other.pid\\n' > /run/postern-test/other.conf
             /usr/sbin/sshd -f /run/postern-test/other.conf; while [ ! -e /run/postern-test/other.pid ]; do sleep 0.1; done",
        )
        .undo("kill $(cat /run/postern-test/other.pid); while [ -e /run/postern-test/other.pid ]; do sleep 0.1; done"),
    ]);
}

#[test]
fn breaks_of_the_account_are_found() {
    assert_all(&[
        broken(&["account.shell"], "usermod -s /bin/bash breakglass"),
        broken(&["account.uid"], "useradd -o -u $(id -u breakglass) -M -N -s /bin/sh twin"),
        broken(&["account.password"], "usermod -p '' breakglass"),
        broken(&["account.password"], "echo breakglass:secret | chpasswd -c SHA512"),
        broken(&["account.groups"], "groupadd docker; gpasswd -a breakglass docker"),
        broken(&["account.groups"], "gpasswd -a breakglass adm"),
        // The snippet is for the group too.
        broken(
            &["account.groups", "sshd.authinfo", "sshd.command", "sshd.environment", "sshd.forwarding", "sshd.keys", "sshd.rc"],
            "gpasswd -d breakglass postern",
        ),
        broken(&["account.files"], "runuser -u breakglass -- touch /home/breakglass/.forward"),
        broken(
            &["account.files"],
            "runuser -u breakglass -- mkdir -p /home/breakglass/.config/systemd/user
             runuser -u breakglass -- touch /home/breakglass/.config/systemd/user/x.service",
        ),
        broken(
            &["account.files"],
            "runuser -u breakglass -- mkdir /home/breakglass/.ssh; runuser -u breakglass -- touch /home/breakglass/.ssh/rc",
        ),
        broken(&["account.subids"], "sed -i /breakglass/d /etc/subuid /etc/subgid; echo breakglass:700000:10 >> /etc/subuid"),
    ]);
}

/// The command that is printed for a file of the account's has the account's rights, so a link in its home directory leads root nowhere.
#[test]
fn a_link_in_the_home_directory_does_not_turn_a_fix_against_the_host() {
    let Some(host) = host() else { return };
    shell(
        "mkdir -p /run/postern-test/trap/systemd/user; touch /run/postern-test/trap/systemd/user/root.service
         runuser -u breakglass -- ln -s /run/postern-test/trap /home/breakglass/.config",
    );
    let findings = host.findings();
    let found = findings.iter().find(|finding| finding.id == "account.files").unwrap();
    let command = found.command.clone().unwrap();
    let ended = super::process::run(std::process::Command::new("bash").args(["-c", &command]), b"");
    let kept = std::path::Path::new("/run/postern-test/trap/systemd/user/root.service").exists();
    shell("rm -f /home/breakglass/.config");
    assert!(kept && ended.status != 0, "{command}\n{}", ended.err());
}

#[test]
fn what_runs_past_the_login_shell_is_found() {
    assert_all(&[
        broken(&["account.cron"], "mkdir -p /var/spool/cron/crontabs; echo '* * * * * true' > /var/spool/cron/crontabs/breakglass"),
        broken(&["account.cron"], "echo '* * * * * breakglass true' > /etc/cron.d/x"),
        broken(&["account.cron_access"], "touch /usr/bin/crontab").undo("rm /usr/bin/crontab"),
        broken(&["account.cron_access"], "touch /usr/bin/crontab; printf 'root\\nbreakglass\\n' > /etc/cron.allow")
            .undo("rm /usr/bin/crontab"),
        broken(
            &["account.at"],
            "mkdir -p /var/spool/cron/atjobs; touch /var/spool/cron/atjobs/a1; chown breakglass /var/spool/cron/atjobs/a1",
        ),
        broken(&["account.at_access"], "touch /usr/bin/at; touch /etc/at.deny").undo("rm /usr/bin/at"),
        broken(&["account.linger"], "mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/breakglass"),
        broken(&["account.units"], "printf '[Service]\\nUser=breakglass\\nExecStart=/bin/true\\n' > /etc/systemd/system/x.service"),
        broken(
            &["account.units"],
            "mkdir /etc/systemd/system/x.service.d; printf '[Service]\\nUser = breakglass\\n' > /etc/systemd/system/x.service.d/user.conf",
        ),
        broken(&["account.mail"], "echo 'breakglass: \"|/usr/bin/vacation\"' >> /etc/aliases"),
        broken(
            &["account.sudo"],
            "printf '@includedir /etc/sudoers.d\\n' > /etc/sudoers; mkdir -p /etc/sudoers.d; echo '%postern ALL=(ALL) ALL' > /etc/sudoers.d/x",
        ),
        broken(&["account.sudo"], "printf 'User_Alias ONCALL = breakglass\\nONCALL ALL = /bin/ls\\n' > /etc/sudoers"),
        broken(&["session.environment"], "echo 'session required pam_env.so user_readenv=1' >> /etc/pam.d/login"),
        broken(&["session.limits"], "sed -i /pam_limits/d /etc/pam.d/sshd"),
    ]);
}
