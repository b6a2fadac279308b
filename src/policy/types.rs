//! What the words between `<` and `>` stand for.

use serde::{Deserialize, Serialize};

/// An own type as the policy writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawType {
    pub matches: Option<String>,
    pub path: Vec<String>,
    /// `LOW..HIGH`, either may be left out.
    pub int: Option<String>,
    pub one_of: Vec<String>,
    pub except: Option<String>,
    pub dash: Option<bool>,
}

/// A compiled type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDef {}

impl TypeDef {
    /// Compiles an own type. The error says what is wrong and how to mend it.
    pub fn compile(_name: &str, _raw: &RawType) -> Result<TypeDef, String> {
        todo!()
    }
}
