//! awsQuery's XML answers, written by hand: every text is escaped here and nowhere else.

use quick_xml::escape::escape;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

pub(super) fn text(name: &str, value: &str) -> String {
    element(name, &escape(value))
}

/// An element around XML that is already escaped.
pub(super) fn element(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

pub(super) fn list(name: &str, members: impl Iterator<Item = String>) -> String {
    element(name, &members.map(|member| element("member", &member)).collect::<String>())
}

pub(super) fn response(action: &str, result: &str) -> String {
    let result = element(&format!("{action}Result"), result);
    format!("<{action}Response xmlns=\"{NAMESPACE}\">{result}</{action}Response>")
}

pub(super) fn error(code: &str, is_senders_fault: bool, message: &str) -> String {
    let fault = if is_senders_fault { "Sender" } else { "Receiver" };
    let inner = [text("Type", fault), text("Code", code), text("Message", message)].concat();
    format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{}</ErrorResponse>", element("Error", &inner))
}
