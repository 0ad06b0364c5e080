//! Payloads that are put together where readers will find them.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use a0_std::{Loan, Publisher};

use crate::args::{given, handle, headers, place, tell};
use crate::error::{Result, a0rs_error, argument, guard};
use crate::packet::{a0rs_header, a0rs_published};
use crate::pubsub::a0rs_publisher;

/// Room for a payload in the topic itself, for the thread that has asked for it, and no other.
///
/// The pointer to it is good until the loan is committed or dropped, or that thread ends: then the system hands the topic's
/// lock on, and the room is others'.
///
/// The topic is locked until it is committed or dropped: whoever else wants to publish there waits. Nobody sees
/// anything of a loan before it is committed, and nobody ever does if it is dropped instead, or the program dies.
pub struct a0rs_loan {
    /// Gone when it was committed. Before `publisher`, so that it goes first.
    loan: Loan<'static>,
    thread: ThreadId,
    publisher: Arc<Publisher>,
}

/// Lends room for a payload of `len` bytes in a packet with headers. `data` gets where it is, to be filled until the
/// loan is committed or dropped; at first it holds whatever was there before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_publisher_loan(
    publisher: Option<&a0rs_publisher>,
    headers_list: *const a0rs_header,
    headers_len: usize,
    len: usize,
    data: Option<&mut MaybeUninit<*mut c_void>>,
    out: Option<&mut MaybeUninit<*mut a0rs_loan>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        let data = place("data", data)?.write(ptr::null_mut());
        let publisher = Arc::clone(&given("publisher", publisher)?.publisher);
        // SAFETY: as every caller promises.
        let headers = unsafe { headers(headers_list, headers_len) }?;
        let loan = publisher.loan_with(&headers, len)?;
        // SAFETY: what it borrows is in the Arc beside it, which neither moves it nor lets go of it before.
        let mut loan = unsafe { mem::transmute::<Loan<'_>, Loan<'static>>(loan) };
        *data = loan.with(|bytes| bytes.as_mut_ptr()).cast();
        let loan = a0rs_loan { loan, thread: thread::current().id(), publisher };
        *out = Box::into_raw(Box::new(loan));
        Ok(())
    })
}

/// The lock belongs to the thread that took it.
fn of_this_thread(loan: *mut a0rs_loan) -> Result<Box<a0rs_loan>> {
    // SAFETY: null, or a loan that is neither committed nor dropped, as every caller promises.
    let seen = given("loan", unsafe { loan.as_ref() })?;
    if seen.thread != thread::current().id() {
        let path = seen.publisher.file().path().display();
        let reason = format!(
            "it belongs to another thread, and only that one can commit or drop it; until it does, or ends, {path} stays locked"
        );
        return Err(argument("loan", &reason));
    }
    // SAFETY: the pointer came out of such a box, and nobody uses the loan any more.
    Ok(unsafe { Box::from_raw(loan) })
}

/// Publishes the first `len` bytes of a loan's payload, or all of it if it is shorter. Frees the loan; in another
/// thread than its own it fails, and the loan stays. `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_loan_commit(
    loan: *mut a0rs_loan,
    len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    guard(|| {
        let a0rs_loan { mut loan, publisher: _publisher, .. } = *of_this_thread(loan)?;
        loan.truncate(len);
        tell(published, loan.commit().into());
        Ok(())
    })
}

/// Publishes nothing, and frees the loan. Null is an error, and so is another thread than its own: then the loan stays, and
/// the topic stays locked, until that thread drops it or ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_loan_drop(loan: *mut a0rs_loan) -> a0rs_error {
    guard(|| of_this_thread(loan).map(drop))
}
