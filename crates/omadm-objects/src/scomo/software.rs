use omadm_download::Cancel;

use crate::{Package, ResultCode};

/// What SCOMO drives: the software of a device or a VM.
///
/// All of it may block, and may be asked again for the same: what a restart interrupted is asked for
/// once more. Operations on different packages and components may come at the same time.
///
/// ```
/// use omadm_objects::{Component, Installation, Package, ResultCode, Software};
///
/// struct Apps;
///
/// impl Software for Apps {
///     fn inventory(&self) -> Result<Vec<Component>, ResultCode> {
///         let mut browser = Component::new("browser", "com.example.browser");
///         browser.version = "2.1".to_owned();
///         browser.active = true;
///         Ok(vec![browser])
///     }
///
///     fn install(&self, package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode> {
///         println!("install {package:?} with {:?}", how.params);
///         Ok(vec![how.package_id.clone()])
///     }
///
///     fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode> {
///         println!("{component}: {active}");
///         Ok(())
///     }
///
///     fn remove(&self, component: &str) -> Result<(), ResultCode> {
///         println!("remove {component}");
///         Ok(())
///     }
/// }
/// ```
pub trait Software: Send + Sync {
    /// What is installed. Asked at every start and after every operation but a download.
    ///
    /// # Errors
    /// A result code of SCOMO; the tree stays as it is then.
    fn inventory(&self) -> Result<Vec<Component>, ResultCode>;

    /// Installs a package, its components active or not; the identifiers of the components.
    ///
    /// # Errors
    /// A result code of SCOMO; nothing is installed then. After
    /// [1407](ResultCode::SCOMO_INVALID) and [1413](ResultCode::SCOMO_ENVIRONMENT) the package is
    /// dropped.
    fn install(&self, package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode>;

    /// Activates or deactivates a component, by its identifier.
    ///
    /// # Errors
    /// A result code of SCOMO; the component is as before then.
    fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode>;

    /// Removes a component, by its identifier. One that is not there is removed.
    ///
    /// # Errors
    /// A result code of SCOMO; the component is as before then.
    fn remove(&self, component: &str) -> Result<(), ResultCode>;

    /// Downloads a package, for a [`Scomo`](crate::Scomo) without a [`Delivery`](crate::Delivery);
    /// it is [`Package::Own`] then, known by its PkgID. Answers 1411 by default.
    ///
    /// # Errors
    /// A result code of SCOMO
    fn download(&self, package_id: &str, url: &str, cancel: &Cancel) -> Result<(), ResultCode> {
        let _ = (package_id, url, cancel);
        Err(ResultCode::SCOMO_NOT_IMPLEMENTED)
    }

    /// Deletes a package that [`download`](Self::download) fetched, by its PkgID: one that a server
    /// removes or deletes, and one that is dropped. One that is not there is deleted. Does nothing by
    /// default.
    ///
    /// # Errors
    /// A result code of SCOMO; the package is as before then. Only a server that removes it hears.
    fn discard(&self, package_id: &str) -> Result<(), ResultCode> {
        let _ = package_id;
        Ok(())
    }
}

/// How a package is to be installed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Installation {
    /// `PkgID`: the identifier of the package.
    pub package_id: String,
    /// `Name`: its name.
    pub name: String,
    /// `InstallParams`: what the installer is given.
    pub params: String,
    /// `EnvType`: the environment the components run in.
    pub environment: String,
    /// `PkgType`: the media type of the package.
    pub media_type: String,
    /// Whether the components are active at once.
    pub active: bool,
}

/// One component that is installed: what a [`Software`] says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Component {
    /// The name of its node; must be a name of a node, and always the same.
    pub node: String,
    /// `ID`: its identifier.
    pub id: String,
    /// `PkgIDRef`: the package it came in. Default: none.
    pub package_id: String,
    /// `Name`. Default: none.
    pub name: String,
    /// `Version`. Default: none.
    pub version: String,
    /// `Description`, for people. Default: none.
    pub description: String,
    /// `EnvType`: the environment it runs in. Default: none.
    pub environment: String,
    /// Whether it is active. Default: no.
    pub active: bool,
}

impl Component {
    /// A component by the name of its node and its identifier.
    #[must_use]
    pub fn new(node: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            id: id.into(),
            package_id: String::new(),
            name: String::new(),
            version: String::new(),
            description: String::new(),
            environment: String::new(),
            active: false,
        }
    }
}
