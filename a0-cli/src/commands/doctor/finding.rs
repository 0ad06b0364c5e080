//! What the doctor has found.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::console::Escaped;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// As it may be.
    Note,
    /// Works, but not for everybody, or not always.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing, and what helps.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Which examination has found it: a word for scripts.
    check: &'static str,
    path: Option<PathBuf>,
    problem: String,
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.name(),
            "check": self.check,
            "path": self.path.as_ref().map(|path| path.to_string_lossy()),
            "problem": self.problem,
            "remedy": self.remedy,
        })
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.name())?;
        // Most errors of the library begin with the path.
        let path = self.path.as_ref().map(|path| path.to_string_lossy());
        if let Some(path) = path.filter(|path| !self.problem.contains(&**path)) {
            write!(f, "{}: ", Escaped(&path))?;
        }
        write!(f, "{}", Escaped(&self.problem))?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  remedy: {}", Escaped(remedy)),
            None => Ok(()),
        }
    }
}

/// All findings, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn findings(&self) -> &[Finding] {
        &self.0
    }

    pub(super) fn error(&mut self, check: &'static str, path: Option<&Path>, problem: impl Display, remedy: &str) {
        self.push(Severity::Error, check, path, problem, Some(remedy));
    }

    pub(super) fn warning(&mut self, check: &'static str, path: Option<&Path>, problem: impl Display, remedy: &str) {
        self.push(Severity::Warning, check, path, problem, Some(remedy));
    }

    pub(super) fn note(&mut self, check: &'static str, path: Option<&Path>, problem: impl Display) {
        self.push(Severity::Note, check, path, problem, None);
    }

    fn push(
        &mut self,
        severity: Severity,
        check: &'static str,
        path: Option<&Path>,
        problem: impl Display,
        remedy: Option<&str>,
    ) {
        let (path, problem, remedy) = (path.map(Path::to_owned), problem.to_string(), remedy.map(str::to_owned));
        self.0.push(Finding { severity, check, path, problem, remedy });
    }
}
