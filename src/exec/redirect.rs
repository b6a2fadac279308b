//! The three standard descriptors of a process to be, and the files that its redirections open, or create at its turn.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::open::{self, Access, MOVED};
use super::plan::{PlanError, system};
use crate::policy::DecidedRedirect;
use crate::syntax::RedirectKind;
use crate::sys::identity::Identity;
use crate::sys::{descriptor, mount};

/// A file that is created at its command's turn, so that a line that is refused leaves no trace.
pub(super) struct Creation {
    /// What stands in its place in the prepared child.
    place: Rc<OwnedFd>,
    path: PathBuf,
    /// Where it was decided to be.
    leads: PathBuf,
    access: Access,
    identity: Option<Identity>,
    /// Where it is, if not where this thread is.
    namespace: Option<Rc<OwnedFd>>,
}

impl Creation {
    /// Creates the file, and puts it in its place. The error is a reason in words.
    pub fn create(&self) -> Result<(), String> {
        let create = || open::create(&self.path, &self.leads, self.access, self.identity.as_ref());
        let created = match &self.namespace {
            Some(namespace) => mount::inside(namespace.as_fd(), create).map_err(|errno| errno.desc().to_owned())??,
            None => create()?,
        };
        descriptor::put_in_place(&self.place, &created).map_err(|errno| errno.desc().to_owned())
    }
}

/// The descriptors, and what was opened for them.
pub(super) struct Descriptors {
    pub standard: [Rc<OwnedFd>; 3],
    pub cut: Vec<Rc<OwnedFd>>,
    pub created: Vec<Creation>,
}

/// What redirections of one process depend on.
pub(super) struct Redirection<'a> {
    pub directory: &'a Path,
    pub null: &'a Rc<OwnedFd>,
    /// Whose files they are; `None` for this process's own.
    pub identity: Option<&'a Identity>,
    /// Where its files are, if not where this thread is.
    pub namespace: &'a Option<Rc<OwnedFd>>,
}

impl Redirection<'_> {
    /// Applies redirections in the order written, which matters: `2>&1 >/dev/null` differs from `>/dev/null 2>&1`.
    pub fn apply(&self, redirects: &[DecidedRedirect], standard: [Rc<OwnedFd>; 3]) -> Result<Descriptors, PlanError> {
        let mut descriptors = Descriptors { standard, cut: Vec::new(), created: Vec::new() };
        for redirect in redirects {
            let (place, opened) = match &redirect.kind {
                RedirectKind::ErrorToOutput => (2, Rc::clone(&descriptors.standard[1])),
                RedirectKind::Null(place) => (usize::from(*place), Rc::clone(self.null)),
                RedirectKind::Input(file) => (0, self.open(&file.text, Access::Read, redirect, &mut descriptors)?),
                RedirectKind::Output { file, append } => {
                    let access = if *append { Access::Append } else { Access::Write };
                    (1, self.open(&file.text, access, redirect, &mut descriptors)?)
                }
            };
            let standard = descriptors.standard.get_mut(place);
            *standard.ok_or_else(|| PlanError::System(format!("descriptor {place} cannot be redirected")))? = opened;
        }
        Ok(descriptors)
    }

    fn open(
        &self,
        file: &str,
        access: Access,
        redirect: &DecidedRedirect,
        descriptors: &mut Descriptors,
    ) -> Result<Rc<OwnedFd>, PlanError> {
        let refused = |reason: String| PlanError::File { path: file.to_owned(), reason };
        let path = self.directory.join(file);
        let opened = open::file(&path, access, self.identity).map_err(refused)?;
        let leads = PathBuf::from(redirect.leads.as_deref().unwrap_or_default());
        if opened.path != leads {
            return Err(refused(MOVED.to_owned()));
        }
        if !opened.exists {
            let place = Rc::new(descriptor::copy_above_standard(&**self.null).map_err(|errno| system("a descriptor", errno))?);
            let (identity, namespace) = (self.identity.cloned(), self.namespace.clone());
            descriptors.created.push(Creation { place: Rc::clone(&place), path, leads, access, identity, namespace });
            return Ok(place);
        }
        let file = Rc::new(opened.file);
        if access == Access::Write {
            descriptors.cut.push(Rc::clone(&file));
        }
        Ok(file)
    }
}
