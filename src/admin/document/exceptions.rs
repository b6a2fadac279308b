//! Every rule that gives more than reading as the account, and why it is meant, as far as the policy says.

use std::collections::BTreeMap;

use super::facts::{Facts, codes, links};
use super::model::{Block, Inline, Section, Text, id, plain};
use super::observed;
use crate::policy::confinement::{Base, Confinement, Exec, Processes};
use crate::policy::{Rule, RunAsParts};

/// What a rule gives beyond reading as the account: one sentence each.
fn of_rule(rule: &Rule) -> Vec<Text> {
    let confine = &rule.confine;
    let mut said = of_confinement(confine);
    if let Some(run_as) = &rule.run_as {
        said.push(plain(as_whom(run_as)));
    }
    if rule.account_home {
        said.push(plain("sees the account's own home directory, and so its configuration"));
    }
    said
}

/// What runs besides, for the record.
fn of_witness(rule: &Rule) -> Vec<Text> {
    let head = "before and after it, as the same user and held the same, runs for the record ";
    rule.witness.iter().map(|witness| [plain(head), vec![Inline::Code(witness.to_string())]].concat()).collect()
}

fn as_whom(run_as: &str) -> String {
    match RunAsParts::of(run_as) {
        RunAsParts { user: Some("root" | "0"), .. } => "runs as root, without root's capabilities but for those that are named".to_owned(),
        RunAsParts { user: Some(user), group: Some(group) } => format!("runs as user {user} and group {group}"),
        RunAsParts { user: Some(user), group: None } => format!("runs as user {user}"),
        RunAsParts { user: None, group } => format!("runs as the account, with group {}", group.unwrap_or_default()),
    }
}

/// What a confinement gives beyond reading: one sentence each.
pub fn of_confinement(confine: &Confinement) -> Vec<Text> {
    let with = |what: &str, values: &[String]| (!values.is_empty()).then(|| [plain(what), codes(values)].concat());
    let services = confine.base == Base::Service;
    let said = [
        (confine.base == Base::Open).then(|| plain("is held back from nothing: it can do whatever its user can")),
        with("writes in ", &confine.write),
        match &confine.exec {
            Exec::Any if confine.base != Base::Open => Some(plain("starts any program")),
            Exec::Paths(paths) => with("starts ", paths),
            Exec::Any | Exec::None => None,
        },
        services
            .then(|| plain("talks to the services of the host (systemd, the system bus, containers, databases) by their local sockets")),
        with("talks to local sockets: ", &confine.sockets),
        (confine.base == Base::Network && confine.network.is_empty()).then(|| plain("reaches any host of the network")),
        with("reaches ports of any host: ", &confine.network),
        with("has capabilities: ", &confine.capabilities),
        with("reads what is hidden otherwise: ", &confine.unhide),
        match confine.processes {
            Processes::Own => None,
            Processes::Look => Some(plain("looks at processes that it did not start: their programs, open files and connections")),
            Processes::Trace => Some(plain("traces processes of its user: their calls and memory; it can stop and end them")),
        },
    ];
    said.into_iter().flatten().collect()
}

/// What rules give beyond reading, the reasons by the names of the warnings, and the commands that are alike in both.
type Alike<'a> = (Vec<Text>, Vec<(String, String)>, Vec<&'a str>);

/// The exceptions, those that are alike together.
pub fn section(facts: &Facts) -> Section {
    let mut alike: BTreeMap<String, Alike<'_>> = BTreeMap::new();
    for rule in facts.allows() {
        let said = [of_rule(rule), of_witness(rule)].concat();
        if said.is_empty() {
            continue;
        }
        let reasons: Vec<(String, String)> =
            rule.confine.accept.iter().chain(&rule.accept).map(|(name, why)| (name.clone(), why.clone())).collect();
        let key = format!("{said:?}{reasons:?}");
        let (_, _, commands) = alike.entry(key).or_insert_with(|| (said, reasons, Vec::new()));
        if !commands.contains(&rule.form.command.as_str()) {
            commands.push(&rule.form.command);
        }
    }
    let mut groups: Vec<_> = alike.into_values().collect();
    // What gives most comes first.
    groups.sort_by_key(|(said, _, commands)| (std::cmp::Reverse(said.len()), commands.first().copied().unwrap_or_default().to_owned()));
    let observed = observed::exceptions(facts);
    let mut blocks = match groups.is_empty() {
        true if !observed.is_empty() => vec![Block::Paragraph(plain("No form gives more than reading as the account."))],
        true => vec![Block::Paragraph(plain("There are none: every command reads, and as the account itself."))],
        false => vec![
            Block::Paragraph(plain(
                "All that gives more than reading as the account. What stands in quotes is the operator's reason, word for word.",
            )),
            Block::Definitions(groups.into_iter().map(definition).collect()),
        ],
    };
    let confirmed = facts.commands_where(|rule| rule.confirm);
    if !confirmed.is_empty() {
        let asked = "These run only after the person has typed once more what they are for: ";
        blocks.push(Block::Paragraph([plain(asked), links(&confirmed), plain(".")].concat()));
    }
    Section::new("exceptions", "Exceptions").with(observed).with(blocks)
}

/// Commands, what they are given, and why that is meant.
fn definition((said, reasons, commands): Alike<'_>) -> (Text, Vec<Text>) {
    let meant = |(name, why): (String, String)| vec![Inline::Plain(format!("meant ({name}): ")), Inline::Quote(why)];
    (links(&commands), said.into_iter().chain(reasons.into_iter().map(meant)).collect())
}

/// A link to what holds a rule.
pub fn held_by(facts: &Facts, confine: &Confinement) -> Inline {
    let title = facts.title(confine);
    Inline::Link { to: id("confinement", title), text: title.to_owned() }
}

/// What a rule gives beyond reading, for the page of its command.
pub fn effects(rule: &Rule) -> Text {
    let said = of_rule(rule);
    match said.is_empty() {
        true => plain("reads only"),
        false => {
            said.into_iter().enumerate().flat_map(|(index, text)| if index > 0 { [plain("; "), text].concat() } else { text }).collect()
        }
    }
}
