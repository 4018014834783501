//! What a URL names.

use crate::sharepoint::farm::{Trouble, Visit};
use crate::sharepoint::library::{Item, Kind, List, Web};
use crate::sharepoint::path::ServerPath;

/// A place, whether something is there or not.
pub(super) struct Place {
    pub web: Web,
    pub path: ServerPath,
    pub there: There,
}

/// What is there.
pub(super) enum There {
    Nothing,
    /// The site itself.
    Site,
    /// The root of a library.
    Library(List),
    /// A folder or a document.
    Item(Item),
}

impl Place {
    pub async fn find(visit: &Visit<'_>, web: &Web, path: &ServerPath) -> Result<Self, Trouble> {
        let at = |there| Self {
            web: web.clone(),
            path: path.clone(),
            there,
        };
        if *path == web.path {
            return Ok(at(There::Site));
        }
        let library = &visit.farm.library;
        if let Some(item) = library.item(visit.conversation, web, path).await? {
            return Ok(at(match item.kind {
                Kind::Entry => There::Nothing,
                Kind::File | Kind::Folder => There::Item(item),
            }));
        }
        let list = library.list_at(visit.conversation, web, path).await?;
        let list = list.filter(|list| list.is_library() && list.path.is_in(path));
        Ok(at(list.map_or(There::Nothing, There::Library)))
    }

    pub fn is_there(&self) -> bool {
        !matches!(self.there, There::Nothing)
    }

    pub fn is_collection(&self) -> bool {
        match &self.there {
            There::Nothing => false,
            There::Site | There::Library(_) => true,
            There::Item(item) => item.kind == Kind::Folder,
        }
    }

    pub fn tag(&self) -> Option<String> {
        match &self.there {
            There::Item(item) => Some(item.etag()),
            _ => None,
        }
    }

    pub fn item(&self) -> Option<&Item> {
        match &self.there {
            There::Item(item) => Some(item),
            _ => None,
        }
    }

    /// What is directly in it.
    pub async fn children(&self, visit: &Visit<'_>) -> Result<Vec<Self>, Trouble> {
        let library = &visit.farm.library;
        let at = |path: ServerPath, there| Self {
            web: self.web.clone(),
            path,
            there,
        };
        if let There::Site = self.there {
            let lists = library.lists(visit.conversation, &self.web).await?;
            let libraries = lists.into_iter().filter(List::is_library);
            return Ok(libraries
                .map(|list| at(list.path.clone(), There::Library(list)))
                .collect());
        }
        if !self.is_collection() {
            return Ok(Vec::new());
        }
        let items = library
            .children(visit.conversation, &self.web, &self.path)
            .await?;
        let items = items.into_iter().filter(|item| item.kind != Kind::Entry);
        Ok(items
            .map(|item| at(item.path.clone(), There::Item(item)))
            .collect())
    }
}
