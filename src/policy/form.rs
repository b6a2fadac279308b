//! The form language: from the text of a form to variants of segments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::types::TypeDef;
use crate::words::Span;

/// What a form may refer to by name.
pub struct Catalog<'a> {
    pub parts: &'a BTreeMap<String, String>,
    pub types: &'a BTreeMap<String, TypeDef>,
}

/// A compiled form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Form {
    /// As the policy writes it.
    pub text: String,
    /// The command word.
    pub command: String,
}

/// A mistake in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormError {
    /// Bytes of the form's text; of a mistake inside a part, the `{name}` that brought it in.
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Form {
    /// Compiles the text of an `allow` or `deny` form; `exact` is the rule's `options: exact`. Returns every mistake found.
    pub fn parse(_text: &str, _catalog: &Catalog<'_>, _exact: bool) -> Result<Form, Vec<FormError>> {
        todo!()
    }
}
