//! A catalogue of one service, for tests of lab files.

use futures::future::BoxFuture;
use lab_core::plan::{Listen, Transport};
use lab_core::service::{
    Catalogue, Context, OptionError, Probe, ProbeError, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::{Value, json};

/// Listens on a TCP port, or a UDP port, and asks other nodes.
struct Echo;

impl Service for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }
    fn about(&self) -> &'static str {
        "says what it hears"
    }
    fn options_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "port": { "type": "integer" },
                "udp": { "type": "boolean" },
                "asks": { "type": "array" },
            },
            "additionalProperties": false,
        })
    }
    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        let mut errors = Vec::new();
        let mut wrong = |pointer: String, message: String| {
            let help = Some("read the service's page".to_owned());
            errors.push(OptionError {
                pointer,
                message,
                help,
            });
        };
        let port = match request.options.get("port") {
            None => 7,
            Some(port) => port
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or_else(|| {
                    wrong("/port".into(), "The port is a number.".into());
                    0
                }),
        };
        let asks = request
            .options
            .get("asks")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for (at, node) in asks.iter().enumerate() {
            let name = node.as_str().unwrap_or_default();
            if !request.lab.nodes.contains_key(name) {
                wrong(
                    format!("/asks/{at}"),
                    format!("No node is called `{name}`."),
                );
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Setup {
            settings: json!({}),
            listens: vec![Listen {
                name: "echo".into(),
                protocol: match request.options.get("udp") {
                    Some(Value::Bool(true)) => Transport::Udp,
                    _ => Transport::Tcp,
                },
                address: None,
                port,
            }],
            ..Setup::default()
        })
    }
    fn run(&self, _context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        Box::pin(async { Ok(()) })
    }
    fn probe(&self, _probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The catalogue.
pub const CATALOGUE: Catalogue = Catalogue::new(&[&Echo]);
