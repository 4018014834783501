//! Sites, lists and documents, in the content database.
//!
//! - [`model`]: what there is;
//! - `schema`: tables, the view that search reads, and the sites that every web application has;
//! - `read`, `write`: what front ends ask and change; `locks`: who holds a document.
//!
//! A change and the look at what it depends on are one transaction: front ends know nothing of each
//! other, and of two that change the same one is told that it came too late.

mod locks;
mod model;
mod read;
mod schema;
mod write;

pub(super) use locks::{Held, Hold};
pub(super) use model::{Expected, Item, Kind, List, NewFile, StoreError, Version, Web};
pub(super) use schema::guid;
pub(super) use write::Carry;

use tokio::sync::OnceCell;

use lab_core::service::Conversation;

use super::settings::Application;
use crate::sql_client::Pool;

/// The content database.
pub(super) struct Library {
    pool: Pool,
    applications: Vec<Application>,
    prepared: OnceCell<()>,
}

impl Library {
    /// In this database, for these web applications.
    pub fn new(pool: Pool, applications: Vec<Application>) -> Self {
        Self {
            pool,
            applications,
            prepared: OnceCell::new(),
        }
    }

    /// The node that has it.
    pub fn server(&self) -> &str {
        &self.pool.source().server.node
    }

    /// The database, with its tables in it.
    async fn pool(&self, conversation: Option<&Conversation>) -> Result<&Pool, StoreError> {
        let prepare = || schema::prepare(&self.pool, conversation, &self.applications);
        self.prepared.get_or_try_init(prepare).await?;
        Ok(&self.pool)
    }

    /// Makes the tables before somebody asks.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.pool(None).await.map(|_| ())
    }
}
