use std::{fmt, str::FromStr};

use crate::{
    ImageId, Limits, Pair, ParamsError, ParamsErrorKind, VendorPairs,
    escape::{Encoded, decode},
    fields::{boolean, need, set},
    vendor::read,
};

/// How a virtual machine is to be made: the value of `VirMO/<x>/CreateParams`. [VirMO §8]
///
/// ```
/// use virmo_params::CreateParams;
///
/// let params: CreateParams = "ImgID=img-1".parse()?;
/// assert!(params.running);
/// assert_eq!(params.to_string(), "ImgID=img-1&Running=true");
/// # Ok::<(), virmo_params::ParamsError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct CreateParams {
    /// `ImgID`: the image the machine is made from.
    #[cfg_attr(feature = "serde", serde(rename = "ImgID"))]
    pub image: ImageId,
    /// `Running`: whether the machine runs afterwards, or is off. Default: true.
    #[cfg_attr(feature = "serde", serde(rename = "Running", default = "runs"))]
    pub running: bool,
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_impls::vendor_of_create")
    )]
    vendor: VendorPairs,
}

impl CreateParams {
    pub(crate) const STANDARD: [&str; 2] = ["ImgID", "Running"];

    /// A running machine from this image.
    #[must_use]
    pub fn new(image: ImageId) -> Self {
        Self {
            image,
            running: runs(),
            vendor: VendorPairs::default(),
        }
    }

    /// Reads a text within these limits; `FromStr` takes the default ones.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ParamsError> {
        let (mut image, mut running) = (None, None);
        let vendor = read(text, limits, |pair| {
            match pair.key {
                "ImgID" => set(&mut image, pair, image_id)?,
                "Running" => set(&mut running, pair, boolean)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            image: need(image, "ImgID", text)?,
            running: running.unwrap_or_else(runs),
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

/// The default of `Running`.
fn runs() -> bool {
    true
}

fn image_id(pair: &Pair<'_>) -> Result<ImageId, ParamsError> {
    let offset = pair.value_offset();
    decode(pair.value)
        .map_err(|(kind, at)| kind.at(offset + at))?
        .parse()
        .map_err(|error| ParamsErrorKind::ImageId(error).at(offset))
}

impl FromStr for CreateParams {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        Self::parse(text, &Limits::default())
    }
}

impl fmt::Display for CreateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ImgID={}&Running={}",
            Encoded(self.image.as_str()),
            self.running
        )?;
        self.vendor.write_after(f)
    }
}
