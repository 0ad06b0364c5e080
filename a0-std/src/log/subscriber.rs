//! The events of the `tracing` crate on a topic.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::log::lossy_logger::{LogHeaders, LossyLogger, WritingMessage};
use crate::log::{Level, Logger};

/// Sends the events of the `tracing` crate to a topic (feature `tracing`): a layer for `tracing_subscriber`.
///
/// An event's message becomes the payload; `target`, `module` (if it is another one), `file`, `line`, `span` (such as
/// `request{id=7}:query`) and then the event's fields become headers. A field whose name starts with `a0_`, as
/// AlephZero's own headers do, gets `field.` before it. `TRACE` counts as [`Level::Dbg`].
///
/// Logging never fails, and never blocks for more than a moment: what cannot be written is dropped, and the next
/// message that can has a header `dropped` that says how many there were. Events that come up while one is being
/// written are dropped, too.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let layer = a0_std::TracingLayer::new(a0_std::Logger::new("robot")?);
/// tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
/// tracing::warn!(sensor = "left", "no answer");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct TracingLayer {
    sink: LossyLogger,
}

impl TracingLayer {
    /// Events go to this logger's topic.
    pub fn new(logger: Logger) -> TracingLayer {
        TracingLayer { sink: LossyLogger::new(logger) }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        keep(id, fields, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        keep(id, fields, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Before anything is formatted, which may log in turn.
        let Some(busy) = WritingMessage::enter() else { return };
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Err,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Dbg,
        };
        let mut headers = LogHeaders::default();
        headers.push_place(metadata.target(), metadata.module_path(), metadata.file(), metadata.line());
        let span = span_text(event, &context);
        if !span.is_empty() {
            headers.push("span", span);
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut message = String::new();
        for (name, value) in fields.0 {
            match name {
                "message" => message = value,
                name if name.starts_with("a0_") => headers.push(&format!("field.{name}"), value),
                name => headers.push(name, value),
            }
        }
        self.sink.write(&busy, level, &headers.pairs(), &message);
    }
}

/// Names and values; kept with each span, too.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// A later value of a field replaces the earlier one.
    fn set(&mut self, name: &'static str, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field.name(), format!("{value:?}"));
    }
}

/// Remembers fields of a span. They were formatted before: that may log, which must not meet a locked span.
fn keep<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, fields: Fields, context: &Context<'_, S>) {
    let Some(span) = context.span(id) else { return };
    let mut extensions = span.extensions_mut();
    match extensions.get_mut::<Fields>() {
        Some(known) => fields.0.into_iter().for_each(|(name, value)| known.set(name, value)),
        None => extensions.insert(fields),
    }
}

/// The spans around an event, from the outermost one: `request{id=7}:query`.
fn span_text<S: Subscriber + for<'a> LookupSpan<'a>>(event: &Event<'_>, context: &Context<'_, S>) -> String {
    let mut text = String::new();
    for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
        if !text.is_empty() {
            text.push(':');
        }
        text.push_str(span.name());
        let extensions = span.extensions();
        let fields = extensions.get::<Fields>().map_or(&[][..], |fields| &fields.0);
        for (index, (name, value)) in fields.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{name}={value}", if index == 0 { '{' } else { ' ' });
        }
        if !fields.is_empty() {
            text.push('}');
        }
    }
    text
}
