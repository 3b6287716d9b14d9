use std::{fmt, str::FromStr};

use crate::{
    Bytes, Limits, ParamsError, ParamsErrorKind, Percent, VendorPairs,
    fields::{bytes, need, percent, set},
    vendor::read,
};

/// What of the device a virtual machine may use: the value of `CurrentConfig` and `NewConfig`
/// below `VirMO/<x>/Resources`. [VirMO §8]
///
/// The default is nothing at all: the configuration of a machine that was not created.
///
/// ```
/// use virmo_params::ResourceConfig;
///
/// assert_eq!(
///     ResourceConfig::default().to_string(),
///     "RAM=0&Storage=0&CPU=0&Network=0"
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ResourceConfig {
    /// `RAM`: memory, in octets.
    #[cfg_attr(feature = "serde", serde(rename = "RAM"))]
    pub ram: Bytes,
    /// `Storage`: flash storage of the data partition, in octets.
    #[cfg_attr(feature = "serde", serde(rename = "Storage"))]
    pub storage: Bytes,
    /// `CPU`: share of the device's CPU time.
    #[cfg_attr(feature = "serde", serde(rename = "CPU"))]
    pub cpu: Percent,
    /// `Network`: share of the device's bandwidth, in both directions, on every connection.
    #[cfg_attr(feature = "serde", serde(rename = "Network"))]
    pub network: Percent,
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_impls::vendor_of_resources")
    )]
    vendor: VendorPairs,
}

impl ResourceConfig {
    pub(crate) const STANDARD: [&str; 4] = ["RAM", "Storage", "CPU", "Network"];

    /// A configuration without vendor pairs.
    #[must_use]
    pub fn new(ram: Bytes, storage: Bytes, cpu: Percent, network: Percent) -> Self {
        Self {
            ram,
            storage,
            cpu,
            network,
            vendor: VendorPairs::default(),
        }
    }

    /// Reads a text within these limits; `FromStr` takes the default ones.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ParamsError> {
        let (mut ram, mut storage, mut cpu, mut network) = (None, None, None, None);
        let vendor = read(text, limits, |pair| {
            match pair.key {
                "RAM" => set(&mut ram, pair, bytes)?,
                "Storage" => set(&mut storage, pair, bytes)?,
                "CPU" => set(&mut cpu, pair, percent)?,
                "Network" => set(&mut network, pair, percent)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            ram: need(ram, "RAM", text)?,
            storage: need(storage, "Storage", text)?,
            cpu: need(cpu, "CPU", text)?,
            network: need(network, "Network", text)?,
            vendor,
        })
    }

    /// Adds a vendor pair; the value is any text.
    ///
    /// # Errors
    ///
    /// If the key is a standard one, is there already, or is no key.
    pub fn insert_vendor(&mut self, key: &str, value: &str) -> Result<(), ParamsErrorKind> {
        self.vendor.insert(&Self::STANDARD, key, value)
    }

    /// The vendor pairs.
    #[must_use]
    pub fn vendor(&self) -> &VendorPairs {
        &self.vendor
    }
}

impl FromStr for ResourceConfig {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        Self::parse(text, &Limits::default())
    }
}

impl fmt::Display for ResourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RAM={}&Storage={}&CPU={}&Network={}",
            self.ram, self.storage, self.cpu, self.network
        )?;
        self.vendor.write_after(f)
    }
}

/// What the whole device has: the value of `VirMO/DeviceResources`. [VirMO §8]
///
/// CPU time and bandwidth are shares, their total is always 100 per cent.
///
/// ```
/// use virmo_params::{Bytes, DeviceResources};
///
/// let device: DeviceResources = "RAM=4294967296&Storage=34359738368".parse()?;
/// assert_eq!(device, DeviceResources::new(Bytes::gib(4), Bytes::gib(32)));
/// # Ok::<(), virmo_params::ParamsError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct DeviceResources {
    /// `RAM`: memory, in octets.
    #[cfg_attr(feature = "serde", serde(rename = "RAM"))]
    pub ram: Bytes,
    /// `Storage`: flash storage, in octets.
    #[cfg_attr(feature = "serde", serde(rename = "Storage"))]
    pub storage: Bytes,
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_impls::vendor_of_device")
    )]
    vendor: VendorPairs,
}

impl DeviceResources {
    pub(crate) const STANDARD: [&str; 2] = ["RAM", "Storage"];

    /// A device without vendor pairs.
    #[must_use]
    pub fn new(ram: Bytes, storage: Bytes) -> Self {
        Self {
            ram,
            storage,
            vendor: VendorPairs::default(),
        }
    }

    /// Reads a text within these limits; `FromStr` takes the default ones.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ParamsError> {
        let (mut ram, mut storage) = (None, None);
        let vendor = read(text, limits, |pair| {
            match pair.key {
                "RAM" => set(&mut ram, pair, bytes)?,
                "Storage" => set(&mut storage, pair, bytes)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            ram: need(ram, "RAM", text)?,
            storage: need(storage, "Storage", text)?,
            vendor,
        })
    }

    /// Adds a vendor pair; the value is any text.
    ///
    /// # Errors
    ///
    /// If the key is a standard one, is there already, or is no key.
    pub fn insert_vendor(&mut self, key: &str, value: &str) -> Result<(), ParamsErrorKind> {
        self.vendor.insert(&Self::STANDARD, key, value)
    }

    /// The vendor pairs.
    #[must_use]
    pub fn vendor(&self) -> &VendorPairs {
        &self.vendor
    }
}

impl FromStr for DeviceResources {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        Self::parse(text, &Limits::default())
    }
}

impl fmt::Display for DeviceResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RAM={}&Storage={}", self.ram, self.storage)?;
        self.vendor.write_after(f)
    }
}
