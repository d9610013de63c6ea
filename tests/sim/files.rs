//! The files of a simulation, as S3 keeps them: what was put last under a key, with a tag and a time.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Files {
    files: BTreeMap<String, File>,
    puts: u64,
}

#[derive(Debug, Clone)]
pub struct File {
    pub body: String,
    /// Another one for each time that something is put anywhere.
    pub etag: String,
    metadata: Vec<(String, String)>,
    put_at_ms: i64,
}

impl Files {
    pub fn put(&mut self, key: &str, body: String, metadata: Vec<(String, String)>, put_at_ms: i64) -> File {
        self.puts += 1;
        let file = File { body, etag: format!("{:032x}", self.puts), metadata, put_at_ms };
        self.files.insert(key.to_owned(), file.clone());
        file
    }

    /// When a file was put, to the second, as whoever asks for it is told.
    pub fn put_at(&self, etag: &str) -> Timestamp {
        let file = self.files.values().find(|file| file.etag == etag).expect("a file that was put");
        Timestamp::from_second(file.put_at_ms.div_euclid(1_000)).unwrap()
    }

    pub fn get(&self, key: &str) -> Option<&File> {
        self.files.get(key)
    }

    /// `HEAD`, `GET` with `If-Match`, and `PUT`.
    pub fn answer(
        &mut self,
        method: &Method,
        key: &str,
        headers: &HeaderMap,
        body: &str,
        now_ms: i64,
    ) -> HttpResponse {
        if method == Method::PUT {
            self.put(key, body.to_owned(), vec![], now_ms);
            return respond(http::Response::builder().status(200), String::new());
        }
        let Some(file) = self.files.get(key) else {
            return respond(http::Response::builder().status(404), String::new());
        };
        let etag = format!("\"{}\"", file.etag);
        let wanted = headers.get("if-match").map(|tag| tag.to_str().expect("a tag"));
        if wanted.is_some_and(|wanted| wanted != etag) {
            return respond(http::Response::builder().status(412), String::new());
        }
        let put_at = Timestamp::from_millisecond(file.put_at_ms).unwrap();
        let mut answer = http::Response::builder()
            .header("etag", etag)
            .header("content-type", "text/csv")
            .header("content-length", file.body.len())
            .header("last-modified", put_at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        for (name, value) in &file.metadata {
            answer = answer.header(format!("x-amz-meta-{name}"), value);
        }
        respond(answer, if method == Method::HEAD { String::new() } else { file.body.clone() })
    }
}

fn respond(answer: http::response::Builder, body: String) -> HttpResponse {
    answer.body(SdkBody::from(body)).expect("an answer").try_into().expect("an answer of a service")
}
