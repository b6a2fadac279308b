//! `as:` of a rule: `USER`, `USER:GROUP` or `:GROUP`. No name holds a colon (passwd(5)).

/// Its parts; with neither, the account itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunAsParts<'a> {
    /// `None`: the account.
    pub user: Option<&'a str>,
    /// The primary group, in place of the user's own.
    pub group: Option<&'a str>,
}

impl<'a> RunAsParts<'a> {
    /// Of what is written; whether the names are such is for the reader of a policy to say.
    pub fn of(written: &'a str) -> RunAsParts<'a> {
        let (user, group) = written.split_once(':').map_or((written, None), |(user, group)| (user, Some(group)));
        RunAsParts { user: Some(user).filter(|user| !user.is_empty()), group }
    }
}
