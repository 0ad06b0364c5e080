//! Whether the templates of file names give each topic a file of its own.

use a0_std::Protocol;

use super::finding::Report;

const CHECK: &str = "templates";

const REMEDY: &str = "unset it, or set it to something like {topic}.NAME.a0; for all programs alike";

/// Gives whether all templates can be used.
pub(super) fn examine(report: &mut Report) -> bool {
    let mut templates = vec![];
    for &protocol in Protocol::ALL {
        match protocol.template() {
            Ok(template) => templates.push((protocol, template)),
            Err(error) => report.error(CHECK, None, error, REMEDY),
        }
    }
    for (i, (one, first)) in templates.iter().enumerate() {
        for (other, second) in &templates[i + 1..] {
            let variables = (one.template_variable(), other.template_variable());
            if first == second {
                let problem =
                    format!("{} and {} are the same, {first}: both would use one file", variables.0, variables.1);
                report.error(CHECK, None, problem, REMEDY);
            } else if includes(first, second) || includes(second, first) {
                let problem = format!(
                    "{} ({first}) and {} ({second}) can give topics of different names one file",
                    variables.0, variables.1
                );
                report.warning(CHECK, None, problem, REMEDY);
            }
        }
    }
    for (protocol, template) in &templates {
        if template.starts_with('/') {
            let problem = format!(
                "{} is an absolute path, {template}: these topics are not below A0_ROOT, and not looked at here",
                protocol.template_variable()
            );
            report.note(CHECK, None, problem);
        }
    }
    templates.len() == Protocol::ALL.len()
}

/// Whether each name that the second one makes can be made by the first one, too.
fn includes(first: &str, second: &str) -> bool {
    let (Some(first), Some(second)) = (first.split_once("{topic}"), second.split_once("{topic}")) else { return false };
    second.0.starts_with(first.0) && second.1.ends_with(first.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_the_same() {
        assert!(includes("{topic}.a0", "{topic}.rpc.a0") && includes("{topic}.a0", "x/{topic}.a0"));
        assert!(!includes("{topic}.rpc.a0", "{topic}.a0") && !includes("{topic}.rpc.a0", "{topic}.prpc.a0"));
    }
}
