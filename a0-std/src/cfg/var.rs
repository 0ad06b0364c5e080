//! Variables that follow the configuration.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cfg::error::CfgError;
use crate::cfg::{newest, parse};
use crate::error::{Error, Result};
use crate::file::{File, coarse_now};

/// A value at a place in a JSON configuration, always the newest. Made by [`Cfg::var`](crate::Cfg::var).
///
/// Reading it costs a look at the topic, without a lock, and nothing else as long as nobody has written. Variables are
/// independent of each other: whoever needs values that belong together makes one variable of a type that holds them.
#[derive(Debug)]
pub struct CfgVar<T> {
    file: File,
    /// Whether it goes on with another file when this one is removed.
    comes_back: bool,
    pointer: String,
    /// The value, and the sequence number of the message that it is from.
    seen: Option<(u64, T)>,
}

impl<T: DeserializeOwned> CfgVar<T> {
    pub(super) fn new(file: File, comes_back: bool, pointer: String) -> CfgVar<T> {
        CfgVar { file, comes_back, pointer, seen: None }
    }

    /// The newest value.
    ///
    /// # Errors
    /// [`Error::Cfg`](crate::Error::Cfg) if nothing was written yet, if what was written is no JSON, has nothing at
    /// this place, or something of another type; and as [`Cfg::read`](crate::Cfg::read). The next call looks again.
    pub fn read(&mut self) -> Result<&T> {
        match self.file.look_now_and_then(coarse_now()) {
            Err(Error::TopicRemoved { .. }) if self.comes_back => {
                self.seen = None;
                self.file = self.file.reopened()?;
            }
            looked => looked?,
        }
        let state = self.file.state()?;
        let newest = (!state.is_empty()).then_some(state.seq_high);
        let seen = match self.seen.take() {
            Some(seen) if Some(seen.0) == newest => seen,
            _ => self.parse()?,
        };
        Ok(&self.seen.insert(seen).1)
    }

    /// The JSON pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    fn parse(&self) -> Result<(u64, T)> {
        let parsed = newest::look(&self.file, |file, message| {
            let value = self.find(message.payload()).map_err(|error| parse::failure(file, error))?;
            Ok((message.seq(), value))
        });
        parsed?.ok_or_else(|| parse::failure(&self.file, CfgError::Empty))
    }

    fn find(&self, config: &[u8]) -> Result<T, CfgError> {
        let pointer = || self.pointer.clone();
        if !self.pointer.is_empty() && !self.pointer.starts_with('/') {
            return Err(CfgError::BadPointer { pointer: pointer() });
        }
        let config: Value = parse::parse(config).map_err(CfgError::ConfigNotJson)?;
        let found = config.pointer(&self.pointer).ok_or_else(|| CfgError::Missing { pointer: pointer() })?;
        T::deserialize(found).map_err(|cause| CfgError::WrongType { pointer: pointer(), cause })
    }
}
