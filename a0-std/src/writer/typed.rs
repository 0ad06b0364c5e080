//! Loans of plain data: a struct or an array that lies in the topic itself.

use std::marker::PhantomData;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::pubsub::Publisher;
use crate::writer::loan::Loan;
use crate::writer::published::Published;

/// A [`Loan`] whose payload is a `T`, or a `[T]`. Feature `zerocopy`.
///
/// A payload begins at any byte of the topic, behind headers of any length, so `T` must be [`Unaligned`]: made of bytes, of
/// the integers in [`zerocopy::byteorder`], or of [`zerocopy::Unalign`] around anything else. On common processors
/// access to such fields costs nothing extra. At first it holds whatever was there before, so set all of it, in a call of
/// [`TypedLoan::with`].
///
/// Readers have it with [`View::read_as`](crate::View::read_as), or with
/// [`ref_from_bytes`](zerocopy::FromBytes::ref_from_bytes) of a message's payload.
///
/// ```
/// use a0_std::{Init, Publisher, SubscriberSync};
/// use zerocopy::byteorder::little_endian::{F64, U32};
/// # use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
/// #[repr(C)]
/// struct Pose {
///     frame: U32,
///     position: [F64; 3],
/// }
///
/// let publisher = Publisher::new("pose")?;
/// let mut pose = publisher.loan_as::<Pose>()?;
/// pose.with(|pose| *pose = Pose { frame: 7.into(), position: [1.0.into(), 2.0.into(), 0.5.into()] });
/// pose.commit();
///
/// let mut subscriber = SubscriberSync::new("pose", Init::Oldest)?;
/// let height = subscriber.read_in_place(|view| Some(view.read_as::<Pose>(0)?.position[2].get()))?;
/// assert_eq!(height, Some(Some(0.5)));
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a loan that is dropped publishes nothing"]
pub struct TypedLoan<'w, T: ?Sized> {
    loan: Loan<'w>,
    of: PhantomData<T>,
}

impl Publisher {
    /// Lends room for a `T` in the topic itself.
    ///
    /// # Errors
    /// As [`Publisher::loan`].
    pub fn loan_as<T>(&self) -> Result<TypedLoan<'_, T>>
    where
        T: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned,
    {
        self.loan(size_of::<T>()).map(TypedLoan::new)
    }

    /// Lends room for so many `T` in the topic itself.
    ///
    /// # Errors
    /// As [`Publisher::loan`].
    pub fn loan_slice_as<T>(&self, count: usize) -> Result<TypedLoan<'_, [T]>>
    where
        T: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned,
    {
        self.loan(size_of::<T>().saturating_mul(count)).map(TypedLoan::new)
    }
}

impl<'w, T: ?Sized> TypedLoan<'w, T> {
    /// The loan must be as large as a `T`.
    pub(crate) fn new(loan: Loan<'w>) -> TypedLoan<'w, T> {
        TypedLoan { loan, of: PhantomData }
    }

    /// Publishes the message and releases the topic. As [`Loan::commit`].
    pub fn commit(self) -> Published {
        self.loan.commit()
    }
}

impl<T: ?Sized + FromBytes + IntoBytes + KnownLayout + Immutable> TypedLoan<'_, T> {
    /// Shows the value as it is so far, to be set in place; gives what the closure gives. As [`Loan::with`].
    pub fn with<R>(&mut self, set: impl FnOnce(&mut T) -> R) -> R {
        self.loan.with(|bytes| match T::mut_from_bytes(bytes) {
            Ok(value) => set(value),
            Err(_) => unreachable!("as large as needed, and any address will do"),
        })
    }
}
