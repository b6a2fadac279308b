use super::super::finding::Level;
use super::*;

#[test]
fn lines_of_cron_name_their_user() {
    for (line, user) in [
        ("17 * * * * root run-parts /etc/cron.hourly", Some("root")),
        ("@daily bg /bin/true", Some("bg")),
        ("SHELL=/bin/sh", None),
        ("*/5 * * * *", None),
    ] {
        assert_eq!(cron_user(line), user, "{line}");
    }
}

#[test]
fn who_may_leave_jobs_is_in_two_files() {
    for (kind, allowed, denied, level) in [
        ("cron", None, None, Level::Note),
        ("at", None, None, Level::Ok),
        ("cron", Some("root\n"), None, Level::Ok),
        ("cron", Some("bg\n"), Some("bg\n"), Level::Note),
        ("cron", None, Some("bg\n"), Level::Ok),
        ("at", None, Some(""), Level::Note),
    ] {
        assert_eq!(judge_access("bg", kind, allowed, denied).level, level, "{kind} {allowed:?} {denied:?}");
    }
}

#[test]
fn units_and_aliases_name_the_account() {
    assert_eq!(unit_user("User=bg"), Some("bg"));
    assert_eq!(unit_user("User = bg "), Some("bg"));
    assert_eq!(unit_user("UserMode=1"), None);
    assert!(pipes(r#"BG: "|/usr/bin/vacation bg""#, "bg"));
    assert!(!pipes("bg: root", "bg") && !pipes("other: |x", "bg"));
}

#[test]
fn entries_of_sudoers_are_found_by_name_group_uid_and_alias() {
    let who: BTreeSet<String> = ["bg", "#77", "%postern", "%#88", "ALL"].map(str::to_owned).into();
    for (text, count) in [
        ("bg ALL=(ALL) ALL", 1),
        ("alice, bg ALL = /bin/true", 1),
        ("alice,\\\n bg ALL = /bin/true", 1),
        ("#77 ALL=ALL", 1),
        ("%postern ALL=ALL", 1),
        ("%#88 ALL=ALL", 1),
        ("ALL ALL=(ALL) NOPASSWD: /bin/ls", 1),
        ("User_Alias ONCALL = alice, bg : REST = carol\nONCALL ALL=ALL\nREST ALL=ALL", 1),
        ("root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL", 0),
        ("Defaults:bg !requiretty\nCmnd_Alias X = /bin/bg\n# bg ALL=ALL\n@includedir /etc/sudoers.d", 0),
        ("alice ALL=(bg) ALL", 0),
    ] {
        let files = [("sudoers".to_owned(), text.to_owned())];
        assert_eq!(grants(&files, text, &who).len(), count, "{text}");
    }
}
