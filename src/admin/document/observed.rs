//! What files with `mode: observe` let run: whatever is typed, held by the confinement of their `defaults` and by nothing else.
//!
//! Their terms count wherever those of an allow do ([`Facts::held`]), because a reader asks what can happen and not what was meant.

use super::exceptions::{held_by, of_confinement};
use super::facts::Facts;
use super::model::{Block, Inline, Text, joined, plain};
use super::summary;

/// A paragraph for each file that refuses nothing, for the top of the document.
pub fn warnings(facts: &Facts) -> Vec<Block> {
    let warning = |(strong, rest): (String, Text)| Block::Paragraph([vec![Inline::Strong(strong)], plain(" "), rest].concat());
    said(facts).into_iter().map(warning).collect()
}

/// The same for the exceptions, with what the confinement of each file gives.
pub fn exceptions(facts: &Facts) -> Vec<Block> {
    let gives = facts.observing().map(|(_, terms)| of_confinement(&terms.confine));
    let definitions =
        said(facts).into_iter().zip(gives).map(|((strong, rest), gives)| (vec![Inline::Strong(strong)], [vec![rest], gives].concat()));
    let definitions: Vec<_> = definitions.collect();
    if definitions.is_empty() { Vec::new() } else { vec![Block::Definitions(definitions)] }
}

/// What is said in front of what holds only where nothing observes.
pub fn paragraph(facts: &Facts, head: &str) -> Option<Block> {
    let sources = joined(facts.observing().map(|(scope, _)| Inline::Code(scope.source.clone())), ", ");
    let said =
        [vec![Inline::Strong(head.to_owned())], plain(" to whom these files are for (mode: observe): "), sources, plain(".")].concat();
    facts.observing().next().is_some().then_some(Block::Paragraph(said))
}

/// Of each file what it does, and to whom.
fn said(facts: &Facts) -> Vec<(String, Text)> {
    let file = facts.observing().map(|(scope, terms)| {
        let held = facts.title(&terms.confine);
        let strong = format!("Nothing is refused by the policy to whom {} is for: any program runs, held by {held}.", scope.source);
        let to = [plain("That is "), summary::whom(scope), plain(". It runs as the account, and is held by ")].concat();
        let rest =
            [to, vec![held_by(facts, &terms.confine)], plain(" alone; the records say what would have been refused (mode: observe).")];
        (strong, rest.concat())
    });
    file.collect()
}
