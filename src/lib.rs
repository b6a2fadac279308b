//! postern: a login shell for break-glass accounts, and the tool of those who operate it.
//!
//! Layers, each of which may use only those above it (`tests/layers.rs` holds them to that):
//!
//! | layer | what it is |
//! |---|---|
//! | [`words`] | spans, every cap, safe display of hostile bytes, the caret renderer |
//! | [`sys`] | system calls: the only `unsafe` |
//! | [`syntax`] | bytes to words: lexer, tree, parser, expansion |
//! | [`policy`] | YAML to compiled rules; words to a verdict |
//! | [`access`] | who is this, may they be here |
//! | [`screen`] | what may reach the person's terminal, and what from it a program; redaction |
//! | [`record`] | events, and the two places that they go to; the recording |
//! | [`confine`] | terms to a prepared plan for the child |
//! | [`exec`] | processes: plan a whole line, spawn, wait, time out, sweep |
//! | [`shell`] | the session that ties these together: the front and the guard |
//! | [`admin`] | the operator's subcommands |
//!
//! Data flows one way: line, words, decision, plan, process, record.
#![deny(unsafe_code)]

pub mod words;

pub mod sys;

pub mod syntax;

pub mod policy;

pub mod access;

pub mod screen;

pub mod record;

pub mod confine;

pub mod exec;

pub mod shell;

pub mod admin;
