//! The server's side of liveness.

use crate::error::Result;
use crate::exchange::dialect::Dialect;

#[derive(Debug)]
pub(crate) struct Held {}

impl Held {
    pub(crate) fn new(_dialect: &Dialect, _topic: &str) -> Result<Held> {
        Ok(Held {})
    }

    pub(crate) fn is_first(&self) -> bool {
        true
    }
}
