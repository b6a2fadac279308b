//! What the document is made of: every rule of a policy, and what they have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::model::{Inline, Text, id, joined};
use crate::policy::rule::Observe;
use crate::policy::{Applied, CommandRules, Confinement, Damaged, Rule, Scope};

/// A policy, read as a whole.
pub struct Facts<'a> {
    pub policy: &'a Applied,
    /// By command word.
    pub commands: BTreeMap<String, Rc<CommandRules>>,
    /// Every confinement that an allow or an observing file has, without the places of the rule's own types, under a title of its own.
    pub confinements: Vec<(String, Confinement)>,
}

impl<'a> Facts<'a> {
    pub fn of(policy: &'a Applied) -> Result<Facts<'a>, Damaged> {
        let mut commands = BTreeMap::new();
        for command in policy.commands()? {
            if let Some(rules) = policy.rules(&command)? {
                commands.insert(command, rules);
            }
        }
        let mut facts = Facts { policy, commands, confinements: Vec::new() };
        facts.confinements = facts.named_confinements();
        Ok(facts)
    }

    /// Every allow rule.
    pub fn allows(&self) -> impl Iterator<Item = &Rule> {
        self.commands.values().flat_map(|rules| &rules.allow)
    }

    /// The files that refuse nothing to whom they are for, and under which terms whatever is typed runs.
    pub fn observing(&self) -> impl Iterator<Item = (&'a Scope, &'a Observe)> {
        self.policy.scopes().iter().filter_map(|scope| Some((scope, scope.observe.as_ref()?)))
    }

    /// What holds the commands: that of each allow, and that of whatever else an observing file lets run.
    pub fn held(&self) -> impl Iterator<Item = &Confinement> {
        self.allows().map(|rule| &rule.confine).chain(self.observing().map(|(_, terms)| &terms.confine))
    }

    pub fn scope(&self, rule: &Rule) -> Option<&Scope> {
        self.policy.scopes().get(rule.scope as usize)
    }

    /// The command words of the allows that something holds of, as links; each once.
    pub fn commands_where(&self, holds: impl Fn(&Rule) -> bool) -> Vec<&str> {
        let found = self.commands.iter().filter(|(_, rules)| rules.allow.iter().any(&holds));
        found.map(|(command, _)| command.as_str()).collect()
    }

    /// The commands of whose confinement something holds, and any that an observing file lets run with such a one; empty if there is none.
    pub fn held_where(&self, holds: impl Fn(&Confinement) -> bool) -> Text {
        let mut found = links(&self.commands_where(|rule| holds(&rule.confine)));
        for (scope, _) in self.observing().filter(|(_, terms)| holds(&terms.confine)) {
            found.extend((!found.is_empty()).then(|| Inline::Plain(", ".to_owned())));
            found.extend([Inline::Plain("any program that ".to_owned()), Inline::Code(scope.source.clone())]);
            found.push(Inline::Plain(" lets run (mode: observe)".to_owned()));
        }
        found
    }

    /// The title of a rule's confinement.
    pub fn title<'t>(&'t self, confinement: &'t Confinement) -> &'t str {
        let own = without_roots(confinement);
        self.confinements.iter().find(|(_, other)| *other == own).map_or(&confinement.name, |(title, _)| title)
    }

    /// Confinements by name, those of one name told apart by a number.
    fn named_confinements(&self) -> Vec<(String, Confinement)> {
        let mut found: Vec<Confinement> = Vec::new();
        for confine in self.held() {
            let own = without_roots(confine);
            if !found.contains(&own) {
                found.push(own);
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let names: BTreeSet<String> = found.iter().map(|confinement| confinement.name.clone()).collect();
        let mut titled = Vec::new();
        for name in names {
            let same: Vec<&Confinement> = found.iter().filter(|confinement| confinement.name == name).collect();
            for (number, confinement) in (1..).zip(&same) {
                let title = if same.len() > 1 { format!("{name} ({number})") } else { name.clone() };
                titled.push((title, (*confinement).clone()));
            }
        }
        titled
    }
}

fn without_roots(confinement: &Confinement) -> Confinement {
    Confinement { roots: Vec::new(), ..confinement.clone() }
}

/// Links to commands.
pub fn links(commands: &[&str]) -> Text {
    joined(commands.iter().map(|command| Inline::Link { to: id("command", command), text: (*command).to_owned() }), ", ")
}

/// A list of values as code.
pub fn codes<T: AsRef<str>>(values: &[T]) -> Text {
    joined(values.iter().map(|value| Inline::Code(value.as_ref().to_owned())), ", ")
}
