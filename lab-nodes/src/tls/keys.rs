use std::fmt::Write;
use std::sync::Arc;

use lab_core::service::Spans;
use rustls::{ClientConfig, KeyLog, ServerConfig};

/// The same client side; the secrets of its connections are told to those who ask for them.
pub fn client_telling_keys(config: &ClientConfig, spans: &Spans) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.key_log = Arc::new(Told(spans.clone()));
    Arc::new(config)
}

/// The same server side; the secrets of its connections are told to those who ask for them.
pub fn server_telling_keys(config: &ServerConfig, spans: &Spans) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.key_log = Arc::new(Told(spans.clone()));
    Arc::new(config)
}

#[derive(Debug)]
struct Told(Spans);

impl KeyLog for Told {
    /// Label, client random and secret, as RFC 9850 has them in a line.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = format!("{label} ");
        hex(&mut line, client_random);
        line.push(' ');
        hex(&mut line, secret);
        self.0.key(line);
    }

    fn will_log(&self, _label: &str) -> bool {
        self.0.wants_keys()
    }
}

fn hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(line, "{byte:02x}");
    }
}
