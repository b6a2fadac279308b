//! Sources to rules: layering, names, types, parts, confinements. Every mistake of every file is found in one go.

use std::collections::{BTreeMap, BTreeSet};

use super::confinement::{Base, Confinement};
use super::findings::{Findings, Mistake};
use super::form::{Catalog, Form, FormError};
use super::load::{self, Document};
use super::model::confinement::{Confinements, Named, RawConfinement, Reference};
use super::model::reader::{Reader, Text};
use super::model::rules::{Defaults, RawRule};
use super::model::{self, File};
use super::rule::{CommandRules, Limit, Observe, Rule, Scope};
use super::settings::Settings;
use super::types::{RawType, TypeDef};
use super::witness::Witness;
use crate::words::{Diagnostic, Safe, Span, limits};

/// One file of a policy tree.
pub struct Source {
    /// As messages and records name it: `policy.yaml`, `policy.d/20-db.yaml`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Whether host-wide settings may stand in it.
    pub main: bool,
}

/// A file of a tree as `sys::file::read_tree` returns it: a name and its bytes. What is in a directory, as in `policy.d`, is a part.
impl From<(String, Vec<u8>)> for Source {
    fn from((name, bytes): (String, Vec<u8>)) -> Source {
        let part = name.contains('/');
        Source { name, bytes, main: !part }
    }
}

/// A compiled policy, before it is encoded.
pub struct Compiled {
    pub settings: Settings,
    pub scopes: Vec<Scope>,
    pub rules: BTreeMap<String, CommandRules>,
    /// Findings that do not stand in the way.
    pub warnings: Vec<Diagnostic>,
    /// Those that confinements say are meant: for each, the key of the `accept`, and the reason.
    pub accepted: Vec<(String, String)>,
}

impl Compiled {
    /// Every rule, whatever its command.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().flat_map(|rules| rules.allow.iter().chain(&rules.deny))
    }
}

/// Compiles a tree; on failure, every error found (and the warnings), in the order of files and lines.
pub fn compile(sources: &[Source]) -> Result<Compiled, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let documents: Vec<(Document, load::Node, bool)> = sources
        .iter()
        .filter_map(|source| load::load(source, &mut findings).map(|(document, root)| (document, root, source.main)))
        .collect();
    let mut files = Vec::new();
    for (document, root, main) in &documents {
        let file = model::read(&mut Reader { document, findings: &mut findings, accepts: None }, root, *main);
        files.push((document, file, *main));
    }
    let compiled = Compiler { files: &files, findings: &mut findings }.compile();
    let failed = findings.errors() > 0;
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let found = findings.sorted(&names);
    if failed { Err(found) } else { Ok(Compiled { warnings: found, ..compiled }) }
}

/// Compiles files that have been read.
struct Compiler<'a> {
    files: &'a [(&'a Document, File, bool)],
    findings: &'a mut Findings,
}

/// What all files share.
struct Shared {
    types: BTreeMap<String, TypeDef>,
    confinements: Confinements,
}

/// What the forms and rules of one file refer to.
struct Context<'a> {
    document: &'a Document,
    /// Index of the file's scope.
    scope: u32,
    catalog: Catalog<'a>,
    confinements: &'a Confinements,
    /// Of the file for `allow`; a refusal has no terms.
    defaults: &'a Defaults,
    /// `confine:` of the defaults.
    confine: Confinement,
}

impl Compiler<'_> {
    fn compile(mut self) -> Compiled {
        let shared = Shared { types: self.types(), confinements: self.confinements() };
        self.unique("environment variable", constants, |one, other| one == other);
        let (mut rules, mut scopes) = (BTreeMap::new(), Vec::new());
        for (scope, (document, file, _)) in (0u32..).zip(self.files) {
            let confine = self.default_confinement(document, file, &shared);
            scopes.push(Scope { observe: self.observe(document, file, &confine), ..file.scope.clone() });
            self.rules((scope, confine), document, file, &shared, &mut rules);
        }
        self.check_whole(&rules);
        let settings = self.settings(&rules, &scopes);
        hide_records(&mut rules, &mut scopes, &settings);
        Compiled { settings, scopes, rules, warnings: Vec::new(), accepted: self.findings.take_accepted() }
    }

    /// The confinement of a file's rules that name none.
    fn default_confinement(&mut self, document: &Document, file: &File, shared: &Shared) -> Confinement {
        let named = file.defaults.confine.as_ref();
        let confine = named.and_then(|reference| self.confinement(reference, document, &shared.confinements, &BTreeMap::new()));
        confine.unwrap_or_else(|| Confinement::built_in(Base::default()))
    }

    /// The terms of `mode: observe`. A privilege of the defaults is for what a rule lets through.
    fn observe(&mut self, document: &Document, file: &File, confine: &Confinement) -> Option<Observe> {
        let span = file.observe?;
        if confine.base == Base::Open {
            let mistake = Mistake::new("`mode: observe` refuses nothing, and `open` holds nothing back: there would be no door at all");
            self.findings.error(document, span, mistake.with_help("give `defaults` another confinement"));
        }
        let mistake = Mistake::new("nothing is refused to whom this file is for; a command that no rule allows runs under `defaults`");
        self.findings.warning(
            document,
            span,
            mistake.with_help("`postern search --observed` shows what would be refused without this line"),
        );
        let limit = |value: Option<u64>| value.map(|value| Limit { value, on_terminal: false });
        Some(Observe {
            line: document.line(span),
            confine: Confinement { capabilities: Vec::new(), ..confine.clone() },
            timeout: limit(file.defaults.timeout),
            output: limit(file.defaults.output),
        })
    }

    /// Compiles the rules of one file, whose scope has this index and whose rules this confinement.
    fn rules(
        &mut self,
        (scope, confine): (u32, Confinement),
        document: &Document,
        file: &File,
        shared: &Shared,
        rules: &mut BTreeMap<String, CommandRules>,
    ) {
        let catalog = || Catalog { parts: &file.parts, types: &shared.types };
        let built_in = || Confinement::built_in(Base::default());
        let defaults = &file.defaults;
        let terms = Context { document, scope, catalog: catalog(), confinements: &shared.confinements, defaults, confine };
        for raw in &file.allow {
            if let Some(rule) = self.rule(raw, &terms) {
                rules.entry(rule.form.command.clone()).or_default().allow.push(rule);
            }
        }
        let no_terms = Context { catalog: catalog(), defaults: &Defaults::default(), confine: built_in(), ..terms };
        for raw in &file.deny {
            if let Some(rule) = self.rule(raw, &no_terms) {
                self.warn_of_bare_refusal(&rule.form, &raw.form, document);
                rules.entry(rule.form.command.clone()).or_default().deny.push(rule);
            }
        }
    }

    /// The types of all files. A stand-in for one that is wrong keeps the forms that name it from being reported as well.
    fn types(&mut self) -> BTreeMap<String, TypeDef> {
        let same = |one: &Option<RawType>, other: &Option<RawType>| one == other;
        self.unique("type", |file| file.types.iter().map(|(name, raw)| (name, raw)).collect(), same);
        let mut types = BTreeMap::new();
        for (document, file, _) in self.files {
            for (name, raw) in &file.types {
                let compiled = raw.as_ref().map(|raw| TypeDef::compile(&name.value, raw));
                if let Some(Err(reason)) = &compiled {
                    self.findings.error(document, name.span, Mistake::new(format!("type `{}`: {reason}", name.value)));
                }
                let stand_in = || TypeDef::compile(&name.value, &RawType { matches: Some("x".to_owned()), ..RawType::default() }).ok();
                types.extend(compiled.and_then(Result::ok).or_else(stand_in).map(|compiled| (name.value.clone(), compiled)));
            }
        }
        types
    }

    fn confinements(&mut self) -> Confinements {
        self.unique("confinement", |file| file.confinements.iter().map(|(name, raw)| (name, raw)).collect(), RawConfinement::says_the_same);
        let mut defined = Vec::new();
        for (document, file, _) in self.files {
            for (name, raw) in &file.confinements {
                if Base::named(&name.value).is_some() {
                    let mistake = Mistake::new(format!("`{}` is a built-in confinement", name.value));
                    self.findings.error(
                        document,
                        name.span,
                        mistake.with_help(format!("give it another name, and `base: {}`", name.value)),
                    );
                }
                defined.push(Named { document, name: name.clone(), raw: raw.clone() });
            }
        }
        Confinements::resolve(&defined, self.findings)
    }

    /// Reports names that several files define, unless they all say the same: files that stand alone are meant to stand together too.
    /// Within one file YAML's own rule on keys holds.
    fn unique<'f, T: 'f>(&mut self, what: &str, names: impl Fn(&'f File) -> Vec<(&'f Text, &'f T)>, same: impl Fn(&T, &T) -> bool)
    where
        Self: 'f,
    {
        let mut seen: BTreeMap<&str, (&Document, Span, &T)> = BTreeMap::new();
        for (document, file, _) in self.files {
            for (name, value) in names(file) {
                match seen.get(name.value.as_str()) {
                    None => drop(seen.insert(&name.value, (document, name.span, value))),
                    Some((_, _, other)) if same(other, value) => {}
                    Some((first, span, _)) => {
                        let mistake = Mistake::new(format!("{what} `{}` is defined twice, and not the same", Safe(name.value.as_bytes())));
                        let help = format!("the other definition is at {}:{}", first.name, first.line(*span));
                        self.findings.error(document, name.span, mistake.with_help(help));
                    }
                }
            }
        }
    }

    fn confinement(
        &mut self,
        reference: &Reference,
        document: &Document,
        confinements: &Confinements,
        accept: &BTreeMap<String, String>,
    ) -> Option<Confinement> {
        let confinement = confinements.get(reference, document, self.findings)?;
        if let (Base::Open, Some(base), false) = (confinement.base, reference.base(), accept.contains_key("open")) {
            let mistake = Mistake::new("`open` holds a command back from nothing; only the form stands between a person and the host");
            self.findings.warning(document, base.span, mistake.with_help("refine `inspect` with what the command needs instead"));
        }
        Some(confinement)
    }

    fn rule(&mut self, raw: &RawRule, context: &Context<'_>) -> Option<Rule> {
        let (document, defaults, terms) = (context.document, context.defaults, &raw.terms);
        let own = terms.confine.as_ref().and_then(|reference| self.confinement(reference, document, context.confinements, &terms.accept));
        let form = match Form::parse(&raw.form.value, &context.catalog, terms.exact) {
            Ok(form) => form,
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| self.form_error(document, &raw.form, mistake));
                return None;
            }
        };
        let mut confine = own.unwrap_or_else(|| context.confine.clone()).reading(form.roots());
        if let Some(span) = terms.log_files {
            self.refuse_empty_log(&confine, span, document);
            confine.log_files = true;
        }
        self.warn_of_dead_redirection(&form, &confine, &raw.form, document);
        let witness = terms.witness.as_ref().and_then(|text| self.witness(text, &form, document));
        let limit = |own: Option<u64>, default: Option<u64>| {
            let own = own.map(|value| Limit { value, on_terminal: true });
            own.or(default.map(|value| Limit { value, on_terminal: false }))
        };
        Some(Rule {
            scope: context.scope,
            line: document.line(raw.form.span),
            form,
            path: terms.path.clone(),
            run_as: terms.run_as.as_ref().or(defaults.run_as.as_ref()).map(|user| user.value.clone()),
            confine,
            timeout: limit(terms.timeout, defaults.timeout),
            output: limit(terms.output, defaults.output),
            note: terms.note.clone(),
            account_home: terms.account_home,
            confirm: terms.confirm,
            witness,
            accept: defaults.accept.iter().chain(&terms.accept).map(|(name, why)| (name.clone(), why.clone())).collect(),
        })
    }

    /// A witness has no shell and no form: its mistakes would show when somebody needs the command.
    fn witness(&mut self, text: &Text, form: &Form, document: &Document) -> Option<Witness> {
        let witness = Witness::parse(&text.value, &form.slot_names());
        witness.map_err(|mistake| self.findings.error(document, text.span, mistake)).ok()
    }

    /// A log of files that nothing could be in.
    fn refuse_empty_log(&mut self, confine: &Confinement, span: Span, document: &Document) {
        let (what, help) = if confine.base == Base::Open {
            (
                "`log_files` cannot be held for a command under `open`, which no filter watches",
                "refine `sealed` with the places that it needs",
            )
        } else if confine.looks() {
            (
                "`log_files` cannot be held for a command that looks at other processes (`processes`)",
                "give what is logged a rule of its own",
            )
        } else if confine.own_places().next().is_none() {
            (
                "`log_files` logs what is in the places that the policy names, and this rule has none",
                "name them under `read` or `write` of its confinement",
            )
        } else {
            return;
        };
        self.findings.error(document, span, Mistake::new(what).with_help(help));
    }

    /// A redirection to a file that the confinement cannot write.
    fn warn_of_dead_redirection(&mut self, form: &Form, confine: &Confinement, text: &Text, document: &Document) {
        if (form.output.is_some() || form.append.is_some()) && !confine.writes_anything() {
            let mistake = Mistake::new(format!("nothing can be written to a file: the confinement `{}` writes nowhere", confine.name));
            self.findings.warning(document, text.span, mistake.with_help("name the place under `write:` of a confinement"));
        }
    }

    fn form_error(&mut self, document: &Document, form: &Text, error: FormError) {
        let span = document.part(form.span, &form.value, error.span);
        self.findings.error(document, span, Mistake { message: error.message, help: error.help });
    }

    /// A form of one word matches the command without arguments, which is rarely what a refusal means.
    fn warn_of_bare_refusal(&mut self, form: &Form, text: &Text, document: &Document) {
        if text.value.trim() == form.command {
            let mistake = Mistake::new("this denies the command without arguments only");
            self.findings.warning(document, text.span, mistake.with_help(format!("write `{} **` to deny it altogether", form.command)));
        }
    }

    fn check_whole(&mut self, rules: &BTreeMap<String, CommandRules>) {
        let count: usize = rules.values().map(|rules| rules.allow.len() + rules.deny.len()).sum();
        let Some((document, ..)) = self.files.first() else { return };
        if count > limits::POLICY_RULES {
            self.findings.file_error(&document.name, Mistake::new(format!("more than {} rules in all files", limits::POLICY_RULES)));
        }
        if self.findings.errors() > 0 {
            return;
        }
        if rules.values().all(|rules| rules.allow.is_empty()) {
            self.findings.file_warning(&document.name, Mistake::new("the policy allows nothing").with_help("list forms under `allow:`"));
        }
        // Of several the main file has to be there, whatever it says.
        let dispensable = self.files.iter().skip(usize::from(self.files.len() > 1));
        for (document, ..) in dispensable.filter(|(_, file, _)| has_no_effect(file)) {
            let mistake = Mistake::new("the file has neither `allow` nor `deny`, and nothing that other files use");
            self.findings.file_warning(&document.name, mistake.with_help("add rules, or remove it"));
        }
    }

    /// Settings of the main file, the search directories of all, and what of their rules a session has to know beforehand.
    fn settings(&self, rules: &BTreeMap<String, CommandRules>, scopes: &[Scope]) -> Settings {
        let mut settings = self.files.iter().find(|(.., main)| *main).map_or_else(Settings::default, |(_, file, _)| file.settings.clone());
        for directory in self.files.iter().flat_map(|(_, file, _)| &file.search) {
            if !settings.search.contains(directory) {
                settings.search.push(directory.clone());
            }
        }
        let observing = || scopes.iter().filter_map(|scope| scope.observe.as_ref()).map(|observe| &observe.confine);
        let confinements = || rules.values().flat_map(|rules| &rules.allow).map(|rule| &rule.confine).chain(observing());
        let all =
            |list: fn(&Confinement) -> &Vec<String>| confinements().flat_map(list).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        settings.writes = all(|confinement| &confinement.write);
        settings.unhides = all(|confinement| &confinement.unhide);
        settings.unscoped_rules = confinements().any(Confinement::is_unscoped);
        settings
    }
}

/// The records and recordings of sessions, and orders to end them, are hidden wherever the policy keeps them: their files may belong to the very account.
fn hide_records(rules: &mut BTreeMap<String, CommandRules>, scopes: &mut [Scope], settings: &Settings) {
    let files = ["jsonl", "cast", "kill"].map(|kind| format!("{}/*.{kind}", settings.audit.dir.trim_end_matches('/')));
    let built_in = Confinement::built_in(Base::default());
    let unknown: Vec<String> = files.into_iter().filter(|file| !built_in.hides(file, "/")).collect();
    let of_rules = rules.values_mut().flat_map(|rules| &mut rules.allow).map(|rule| &mut rule.confine);
    let observing = scopes.iter_mut().filter_map(|scope| scope.observe.as_mut()).map(|observe| &mut observe.confine);
    for confine in of_rules.chain(observing).filter(|confine| confine.base != Base::Open) {
        confine.hide.extend(unknown.iter().cloned());
    }
}

/// The constants of a file, each with its value.
fn constants(file: &File) -> Vec<(&Text, &String)> {
    file.env.iter().filter_map(|name| Some((name, file.scope.env.get(&name.value)?))).collect()
}

fn has_no_effect(file: &File) -> bool {
    let shares = !(file.types.is_empty() && file.confinements.is_empty() && file.scope.env.is_empty() && file.search.is_empty());
    file.allow.is_empty() && file.deny.is_empty() && file.observe.is_none() && !shares && file.settings == Settings::default()
}
