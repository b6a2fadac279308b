//! What a line asks of the files of a policy, before anybody is asked whether they may run it.

use std::collections::BTreeSet;

use super::super::line::{Answer, decide_anywhere};
use crate::policy::kinds::{Kinds, kinds};
use crate::policy::{Applied, Damaged, Rule, Scope, Verdict, audience};
use crate::syntax::Request;

/// What a line has to do with the files of a policy, each by its place among all.
#[derive(Default)]
pub struct Asked {
    /// Of each constant and each command, the files that may give it.
    needs: Vec<BTreeSet<usize>>,
    /// The files that may deny one of its commands.
    denies: BTreeSet<usize>,
    /// The files that have a say in it at all: with rules for its commands, or constants, or where nothing is refused.
    mattering: BTreeSet<usize>,
}

impl Asked {
    /// Of a line, whoever types it.
    pub fn of(policy: &Applied, line: &[u8]) -> Result<Asked, Damaged> {
        let mut asked = Asked::default();
        asked.add_constants(policy, line);
        let Some(request) = asked.request(policy, line)? else {
            // What it asks for may be something else for somebody else.
            asked.mattering = (0..policy.scopes().len()).collect();
            return Ok(asked);
        };
        asked.mattering.extend(indices(policy, |scope| !scope.env.is_empty() || scope.observe.is_some()));
        for (index, stage) in request.items.iter().flat_map(|item| &item.stages).enumerate() {
            let word = stage.argv.first().map_or("", |word| word.text.as_str());
            let rules = policy.rules(word.rsplit('/').next().unwrap_or(word))?;
            let scopes = |rules: &[Rule]| rules.iter().map(|rule| rule.scope as usize).collect::<BTreeSet<usize>>();
            let (allow, deny) = rules.map_or_else(Default::default, |rules| (scopes(&rules.allow), scopes(&rules.deny)));
            asked.mattering.extend(allow.iter().chain(&deny));
            asked.denies.extend(deny);
            let mut giving = BTreeSet::new();
            for scope in allow {
                if may_give(policy, scope, line, index)? {
                    giving.insert(scope);
                }
            }
            asked.needs.push(giving);
        }
        Ok(asked)
    }

    fn add_constants(&mut self, policy: &Applied, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let names: BTreeSet<&String> = policy.scopes().iter().flat_map(|scope| scope.env.keys()).collect();
        let used = names.into_iter().filter(|name| line.contains(&format!("${name}")) || line.contains(&format!("${{{name}")));
        self.needs.extend(used.map(|name| indices(policy, |scope| scope.env.contains_key(name))));
    }

    /// The commands of the line, as somebody has them who has what it needs of constants.
    fn request(&self, policy: &Applied, line: &[u8]) -> Result<Option<Request>, Damaged> {
        let constants: BTreeSet<usize> = self.needs.iter().flatten().copied().collect();
        let with_constants = Asked { mattering: constants, needs: self.needs.clone(), ..Asked::default() }.kinds(policy).subjects;
        for subject in std::iter::once(audience::anyone()).chain(with_constants) {
            if let Answer::Commands { request, .. } = decide_anywhere(policy, &subject, line)? {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// One person of each kind that the files which matter tell apart.
    pub fn kinds(&self, policy: &Applied) -> Kinds {
        let mattering: Vec<usize> = self.mattering.iter().copied().collect();
        let scopes: Vec<Scope> = mattering.iter().filter_map(|index| policy.scopes().get(*index).cloned()).collect();
        let place = |index: &usize| mattering.binary_search(index).ok();
        let places = |indices: &BTreeSet<usize>| indices.iter().filter_map(place).collect::<BTreeSet<usize>>();
        let needs: Vec<BTreeSet<usize>> = self.needs.iter().map(places).collect();
        kinds(&scopes, &needs, &places(&self.denies))
    }
}

fn indices(policy: &Applied, is: impl Fn(&Scope) -> bool) -> BTreeSet<usize> {
    policy.scopes().iter().enumerate().filter(|(_, scope)| is(scope)).map(|(index, _)| index).collect()
}

/// Whether rules of a file may allow a command of a line: not if somebody whom it is for is refused it for want of a rule.
fn may_give(policy: &Applied, scope: usize, line: &[u8], command: usize) -> Result<bool, Damaged> {
    let Some(scope) = policy.scopes().get(scope) else { return Ok(false) };
    let sample = audience::sample(scope);
    let Answer::Commands { verdicts, .. } = decide_anywhere(policy, &sample, line)? else { return Ok(true) };
    let is_missing = matches!(verdicts.get(command), Some(Verdict::Denied(denied)) if !denied.is_explicit());
    Ok(!is_missing || !scope.admits(&sample))
}
