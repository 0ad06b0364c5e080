//! What a message on the topic means for one call. The only place that decides this, for calls that block and calls that are
//! pending alike.

use a0_core::Id;

use crate::exchange::dialect::{Dialect, ToClient};

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentRequest<'c> {
    pub(crate) id: &'c Id,
    /// Its sequence number in the topic.
    pub(crate) seq: u64,
}

/// A message that a client has read.
#[derive(Clone, Debug)]
pub(crate) struct Read<'m> {
    /// Its sequence number in the topic.
    pub(crate) seq: u64,
    /// Messages right before it that were overwritten before the client could read them.
    pub(crate) missed: u64,
    /// What it is to a client; [`ToClient::Foreign`] if it is no valid packet.
    pub(crate) meaning: ToClient<'m>,
}

/// What a message means for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'m> {
    /// Nothing: the call waits on.
    None,
    /// The message answers the call.
    Answered { last: bool },
    /// The server could not answer, and says why. Ends the call.
    Failed { reason: &'m str },
    /// Somebody has cancelled the call. Ends it.
    Cancelled,
    /// The server has not seen the request. Ends the call.
    RequestLost,
    /// An answer may be among the messages that were overwritten. Ends the call.
    ReplyLost,
}

impl Dialect {
    /// Judges a message for a call.
    ///
    /// A gap before the message ends every call whose request lies before the gap, with two exceptions: what ends the call
    /// anyway says more, and an answer that is the only one of its call is as good behind a gap as elsewhere.
    pub(crate) fn verdict<'m>(&self, read: &Read<'m>, request: SentRequest<'_>) -> Verdict<'m> {
        let is_ours = |call: &str| call.as_bytes() == request.id.as_bytes();
        // The message right before this one is the last that was missed; a request that is that one has no answer yet.
        let gap = read.missed > 0 && request.seq.saturating_add(1) < read.seq;
        match read.meaning {
            ToClient::Answer { call, last } if is_ours(call) && !(gap && self.has_parts()) => {
                Verdict::Answered { last }
            }
            ToClient::Failed { call, reason } if is_ours(call) => Verdict::Failed { reason },
            ToClient::Cancelled { call } if is_ours(call) => Verdict::Cancelled,
            ToClient::Missed(ref range) if range.contains(&request.seq) => Verdict::RequestLost,
            _ if gap => Verdict::ReplyLost,
            _ => Verdict::None,
        }
    }
}

impl Read<'_> {
    /// Whether the message may mean something for calls other than the one that it names.
    pub(crate) fn concerns_others(&self) -> bool {
        self.missed > 0 || matches!(self.meaning, ToClient::Missed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::dialect::{PRPC, RPC};
    use crate::id::random_id;

    /// What message 10 means for a call whose request is message `request`, after `missed` messages that were not read.
    fn judge<'m>(dialect: &Dialect, id: &Id, request: u64, missed: u64, meaning: ToClient<'m>) -> Verdict<'m> {
        dialect.verdict(&Read { seq: 10, missed, meaning }, SentRequest { id, seq: request })
    }

    #[test]
    fn only_its_own_answers_count() {
        let (ours, other) = (random_id(), random_id());
        for dialect in [&RPC, &PRPC] {
            for last in [true, false] {
                let answer = |call| ToClient::Answer { call, last };
                assert_eq!(judge(dialect, &ours, 1, 0, answer(ours.as_str())), Verdict::Answered { last });
                assert_eq!(judge(dialect, &ours, 1, 0, answer(other.as_str())), Verdict::None);
            }
            let failed = |call| ToClient::Failed { call, reason: "why" };
            assert_eq!(judge(dialect, &ours, 1, 0, failed(ours.as_str())), Verdict::Failed { reason: "why" });
            assert_eq!(judge(dialect, &ours, 1, 0, failed(other.as_str())), Verdict::None);
            let cancelled = |call| ToClient::Cancelled { call };
            assert_eq!(judge(dialect, &ours, 1, 0, cancelled(ours.as_str())), Verdict::Cancelled);
            assert_eq!(judge(dialect, &ours, 1, 0, cancelled(other.as_str())), Verdict::None);
            assert_eq!(judge(dialect, &ours, 1, 0, ToClient::Foreign), Verdict::None);
        }
    }

    #[test]
    fn a_gap_ends_calls_from_before_it() {
        let (ours, other) = (random_id(), random_id());
        let of = |call| ToClient::Answer { call, last: true };
        // The only answer of a call counts behind a gap; the last of many does not, as earlier ones may be missing.
        assert_eq!(judge(&RPC, &ours, 1, 3, of(ours.as_str())), Verdict::Answered { last: true });
        assert_eq!(judge(&PRPC, &ours, 1, 3, of(ours.as_str())), Verdict::ReplyLost);
        for dialect in [&RPC, &PRPC] {
            assert_eq!(judge(dialect, &ours, 1, 3, of(other.as_str())), Verdict::ReplyLost);
            assert_eq!(judge(dialect, &ours, 8, 3, ToClient::Foreign), Verdict::ReplyLost);
            // The request is the last of what was missed, or was sent later.
            assert_eq!(judge(dialect, &ours, 9, 3, of(other.as_str())), Verdict::None);
            assert_eq!(judge(dialect, &ours, u64::MAX, 3, ToClient::Foreign), Verdict::None);
            // What ends the call anyway says more.
            let failed = ToClient::Failed { call: ours.as_str(), reason: "why" };
            assert_eq!(judge(dialect, &ours, 1, 3, failed), Verdict::Failed { reason: "why" });
        }
    }

    #[test]
    fn what_a_server_has_missed_is_lost() {
        let ours = random_id();
        for (request, verdict) in
            [(1, Verdict::None), (2, Verdict::RequestLost), (4, Verdict::RequestLost), (5, Verdict::None)]
        {
            assert_eq!(judge(&RPC, &ours, request, 0, ToClient::Missed(2..=4)), verdict);
        }
        assert_eq!(judge(&RPC, &ours, 1, 3, ToClient::Missed(2..=4)), Verdict::ReplyLost);
    }
}
