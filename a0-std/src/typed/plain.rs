//! Plain data without copies.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::codec::{self, Plain, wrong_size};
use crate::error::Result;
use crate::reader::view::View;
use crate::typed::publisher::TypedPublisher;
use crate::typed::subscriber::TypedSubscriberSync;
use crate::typed::{Schema, bad_payload, check, check_message};
use crate::writer::typed::TypedLoan;

impl<T: Schema + FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned> TypedPublisher<T, Plain> {
    /// Lends room for a `T` in the topic itself, to be filled in place; see [`TypedLoan`].
    ///
    /// # Errors
    /// As [`Publisher::loan`](crate::Publisher::loan).
    pub fn loan(&self) -> Result<TypedLoan<'_, T>> {
        self.untyped().loan_with(&self.type_headers(), size_of::<T>()).map(TypedLoan::new)
    }
}

impl<T: Schema + FromBytes + IntoBytes + Immutable> TypedSubscriberSync<T, Plain> {
    /// Looks at the next value where it lies, without the lock: the view holds exactly a `T`, whose parts are to be had by
    /// [`View::read_as`]. See [`SubscriberSync::read_in_place`](crate::SubscriberSync::read_in_place).
    ///
    /// # Errors
    /// As [`TypedSubscriberSync::read`], and [`Error::Overwritten`](crate::Error::Overwritten).
    pub fn read_in_place<R>(&mut self, look: impl FnOnce(View<'_>) -> R) -> Result<Option<R>> {
        let file = self.file().clone();
        let looked = self.subscriber.read_in_place(|view| {
            let place = (view.seq(), view.missed());
            let (content_type, schema) = (view.header(codec::CONTENT_TYPE), view.header(codec::SCHEMA));
            check::<T, Plain>(file.path(), place, content_type, schema)?;
            if view.len() != size_of::<T>() {
                return Err(bad_payload::<T, Plain>(file.path(), place, wrong_size::<T>(view.len())));
            }
            Ok(look(view))
        })?;
        looked.transpose()
    }

    /// Looks at the next value where it lies, with the topic locked. See
    /// [`SubscriberSync::read_locked`](crate::SubscriberSync::read_locked).
    ///
    /// # Errors
    /// As [`TypedSubscriberSync::read`], and those of locking.
    pub fn read_locked<R>(&mut self, look: impl FnOnce(&T) -> R) -> Result<Option<R>>
    where
        T: KnownLayout + Unaligned,
    {
        let file = self.file().clone();
        let looked = self.subscriber.read_locked(|message| {
            check_message::<T, Plain>(file.path(), &message)?;
            match T::ref_from_bytes(message.payload()) {
                Ok(value) => Ok(look(value)),
                Err(_) => {
                    let source = wrong_size::<T>(message.payload().len());
                    Err(bad_payload::<T, Plain>(file.path(), (message.seq(), message.missed()), source))
                }
            }
        })?;
        looked.transpose()
    }
}
