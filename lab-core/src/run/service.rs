//! The process of a service: binds its sockets, gives up what it does not need, and runs it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{mpsc, watch};

use super::messages::{CredentialPem, FromService, Slice, ToService};
use super::node::Inheritance;
use super::{program, root, sandbox, stores};
use crate::kernel::channel::{AsyncChannel, Channel};
use crate::kernel::{process, socket};
use crate::plan::{Listen, ProcessKind, ProcessPlan, Transport};
use crate::service::{Authority, Context, Credential, Item, Listener, Service, Spans, Watched};

/// Exit status of a service that can't work here, however often it is started.
const HOPELESS: i32 = 3;
/// Exit status of a service that failed.
const FAILED: i32 = 1;

/// Runs a service in this process, which ends with it.
pub(super) fn run(
    inheritance: &Inheritance,
    slice: &Slice,
    plan: &ProcessPlan,
    log: &OwnedFd,
    channel: Channel,
) -> ! {
    let prepared = prepare(inheritance, slice, plan, log);
    let (service, listeners, credentials) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let failed = FromService::Failed {
                message: error.to_string(),
                fatal: true,
            };
            let _ = channel.send(&failed, &[]);
            process::exit_now(HOPELESS)
        }
    };
    let status = match work(service, slice, plan, channel, listeners, credentials) {
        Ok(()) => 0,
        Err(_) => FAILED,
    };
    process::exit_now(status)
}

type Prepared = (
    &'static dyn Service,
    Vec<(String, Listener)>,
    BTreeMap<String, Arc<Credential>>,
);

fn prepare(
    inheritance: &Inheritance,
    slice: &Slice,
    plan: &ProcessPlan,
    log: &OwnedFd,
) -> io::Result<Prepared> {
    nix::unistd::setsid()?;
    let nothing = OwnedFd::from(std::fs::File::open("/dev/null")?);
    process::redirect(&nothing, 0)?;
    process::redirect(log, 1)?;
    process::redirect(log, 2)?;
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    root::hide_homes(&inheritance.homes)?;
    let ProcessKind::Service { service, .. } = &plan.kind else {
        return Err(io::Error::other("not a service"));
    };
    let service = inheritance
        .catalogue
        .get(service)
        .ok_or_else(|| io::Error::other(format!("this program has no service `{service}`")))?;
    let listeners = plan
        .listens
        .iter()
        .map(|listen| Ok((listen.name.clone(), bind(listen, &slice.plan.name)?)))
        .collect::<io::Result<_>>()?;
    let credentials = slice
        .credentials
        .iter()
        .map(|(id, pem)| Ok((id.clone(), Arc::new(credential(pem)?))))
        .collect::<io::Result<_>>()?;
    if slice.plan.store > 0 {
        std::fs::create_dir_all(stores::of_service(&plan.name))?;
    }
    program::set_limits(&slice.plan.limits)?;
    process::set_no_new_privileges()?;
    // All sockets are bound: a service needs no privilege from here on.
    process::keep_capabilities(&[])?;
    sandbox::confine_service()?;
    // Root of the node may look at it (ss, strace): it holds nothing more than they do.
    process::set_dumpable()?;
    Ok((service, listeners, credentials))
}

fn bind(listen: &Listen, node: &str) -> io::Result<Listener> {
    let address = listen.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let to = SocketAddr::new(address, listen.port);
    let bound = match listen.protocol {
        Transport::Tcp => socket::listen_tcp(to).map(Listener::Tcp),
        Transport::Udp => socket::bind_udp(to).map(Listener::Udp),
    };
    bound.map_err(|error| {
        let protocol = match listen.protocol {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        let why = if error.kind() == io::ErrorKind::AddrInUse {
            "something else in the node has this port".to_owned()
        } else {
            error.to_string()
        };
        let place = listen
            .address
            .map_or_else(|| format!("port {}", listen.port), |_| to.to_string());
        io::Error::new(
            error.kind(),
            format!("can't listen on {protocol} {place} of {node}: {why}"),
        )
    })
}

fn credential(pem: &CredentialPem) -> io::Result<Credential> {
    let chain = CertificateDer::pem_slice_iter(pem.chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).map_err(io::Error::other)?;
    Ok(Credential { chain, key })
}

fn work(
    service: &'static dyn Service,
    slice: &Slice,
    plan: &ProcessPlan,
    channel: Channel,
    listeners: Vec<(String, Listener)>,
    credentials: BTreeMap<String, Arc<Credential>>,
) -> io::Result<()> {
    let ProcessKind::Service {
        settings, peers, ..
    } = &plan.kind
    else {
        return Ok(());
    };
    // In the service's own process: a subscriber made before the fork would be shared.
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIERLAB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .try_init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (settings_tx, settings) = watch::channel(settings.clone());
    let (stop, shutdown) = watch::channel(false);
    let (network, mut requests) = mpsc::unbounded_channel();
    let (report, mut reports) = mpsc::unbounded_channel();
    let (watch_tx, watched) = watch::channel(Watched::No);
    let (spans, mut told) = Spans::channel(watched);
    let trust = CertificateDer::pem_slice_iter(slice.trust.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let (issued_tx, issued) = watch::channel(Vec::new());
    let authority = match &slice.authority {
        Some(authority) => Some(Authority {
            issuing: Arc::new(credential(&authority.issuing)?),
            root_list: authority.root_list.clone(),
            issued,
        }),
        None => None,
    };
    let context = Context {
        lab: slice.lab.clone(),
        node: slice.plan.name.clone(),
        fqdn: slice.plan.fqdn.clone(),
        addresses: slice
            .plan
            .links
            .iter()
            .flat_map(|link| link.addresses.iter().map(ipnet::IpNet::addr))
            .collect(),
        settings,
        listeners,
        credentials,
        trust,
        secrets: slice.secrets.clone(),
        store: (slice.plan.store > 0).then(|| stores::of_service(&plan.name)),
        authority,
        peers: peers.clone(),
        shutdown,
        network,
        report,
        spans,
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let channel = Rc::new(AsyncChannel::new(channel)?);
        let marking = context.spans.clone();
        let outward = Rc::clone(&channel);
        let pump = tokio::task::spawn_local(async move {
            loop {
                let message = tokio::select! {
                    Some(report) = reports.recv() => FromService::Report(report),
                    Some(request) = requests.recv() => FromService::Network(request),
                    Some(item) = told.next() => match item {
                        Item::Span(span) => FromService::Span(span),
                        Item::Key(line) => FromService::Key(line),
                        Item::Mark => FromService::Watched,
                    },
                    else => return,
                };
                if outward.send(&message, &[]).await.is_err() {
                    return;
                }
                let lost = told.take_lost();
                if lost > 0 {
                    let _ = outward.send(&FromService::SpansLost(lost), &[]).await;
                }
            }
        });
        let running = tokio::spawn(service.run(context));
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                message = channel.receive::<ToService>() => match message {
                    Ok(Some((ToService::Settings(settings), _))) => { settings_tx.send_replace(settings); }
                    Ok(Some((ToService::Issued(issued), _))) => { issued_tx.send_replace(issued); }
                    Ok(Some((ToService::Watch(watched), _))) => {
                        watch_tx.send_replace(watched);
                        marking.mark().await;
                    }
                    // The keeper's end is a stop, too.
                    Ok(Some((ToService::Stop, _)) | None) | Err(_) => {
                        stop.send_replace(true);
                        let grace = std::time::Duration::from_secs(1);
                        return match tokio::time::timeout(grace, &mut running).await {
                            Ok(Ok(Ok(()))) | Err(_) => Ok(()),
                            Ok(_) => Err(io::Error::other("failed")),
                        };
                    }
                },
            }
        };
        let message = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("a defect of the service: {panic}"),
        };
        pump.abort();
        tracing::error!("{message}");
        let _ = channel.send(&FromService::Failed { message, fatal: false }, &[]).await;
        Err(io::Error::other("failed"))
    })
}
