use omadm_core::{AlertCode, ClientEvent, Correlator, GenericAlert, StatusCode};

use crate::{Alert, Item, Meta};

/// Why an Alert holds no Generic Alerts or client events, or only incomplete ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenericAlertError {
    /// The code is not that of what was asked for, 1226 or 1224.
    #[error("not an alert of this kind")]
    NotGeneric,
    /// There is no Item.
    #[error("no item")]
    NoItem,
    /// The Item, counted from 0, has no `Type`.
    #[error("item {0} has no type")]
    NoType(usize),
    /// The Item, counted from 0, has no `Format`.
    #[error("item {0} has no format")]
    NoFormat(usize),
    /// The `Format` of the Item, counted from 0, is unknown.
    #[error("item {0} has an unknown format")]
    UnknownFormat(usize),
    /// The `Data` of the Item, counted from 0, is no text.
    #[error("the data of item {0} is no text")]
    DataNotText(usize),
}

impl GenericAlertError {
    /// What the Alert is answered with. [DM-Protocol]
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotGeneric | Self::NoItem | Self::NoType(_) | Self::NoFormat(_) => {
                StatusCode::INCOMPLETE_COMMAND
            }
            Self::UnknownFormat(_) | Self::DataNotText(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT
            }
        }
    }
}

/// Generic Alerts and client events. [DM-Protocol]
impl<'a> Alert<'a> {
    /// An Alert of one Item for `alert`; `Data` is written even if it is empty.
    ///
    /// ```
    /// use omadm_core::{Format, GenericAlert};
    /// use omadm_syncml::Alert;
    ///
    /// let mut ready = GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml);
    /// ready.source = Some("./VMImgMO/entvm/Operations/Download".into());
    /// assert_eq!(Alert::from_generic(&ready).generic_alerts(), Ok(vec![ready]));
    /// ```
    #[must_use]
    pub fn from_generic(alert: &'a GenericAlert) -> Self {
        Self::from_generics(std::slice::from_ref(alert))
    }

    /// An Alert with an Item for each of `alerts`, which have one Correlator: that of the first
    /// goes.
    #[must_use]
    pub fn from_generics(alerts: &'a [GenericAlert]) -> Self {
        let items = alerts.iter().map(|alert| {
            let mut meta = Meta::new()
                .with_format(alert.format)
                .with_type(alert.alert_type.as_str());
            meta.mark = alert.mark.map(|mark| mark.as_str().into());
            let mut item = Item::new().with_meta(meta).with_data(alert.data.as_str());
            item.source = alert.source.as_deref().map(Into::into);
            item
        });
        let mut command = Self::new(AlertCode::GENERIC).with_items(items.collect::<Vec<_>>());
        let correlator = alerts.first().and_then(|alert| alert.correlator.as_ref());
        command.correlator = correlator.map(|correlator| correlator.as_str().into());
        command
    }

    /// An Alert with an Item for each of `events`.
    #[must_use]
    pub fn from_client_events(events: &'a [ClientEvent]) -> Self {
        let items = events.iter().map(|event| {
            let meta = Meta::new()
                .with_format(event.format)
                .with_type(event.event_type.as_str());
            let mut item = Item::new().with_meta(meta).with_data(event.data.as_str());
            item.source = event.source.as_deref().map(Into::into);
            item
        });
        Self::new(AlertCode::CLIENT_EVENT).with_items(items.collect::<Vec<_>>())
    }

    /// The Generic Alerts in it, one for each Item.
    ///
    /// An absent `Data` is read as empty, an unknown `Mark` as none; markup in `Data` becomes XML.
    ///
    /// # Errors
    ///
    /// [`GenericAlertError`], which knows the status that answers it.
    pub fn generic_alerts(&self) -> Result<Vec<GenericAlert>, GenericAlertError> {
        self.alerts_of(AlertCode::GENERIC)
    }

    /// The client events in it, one for each Item, read as [`Alert::generic_alerts`] reads its own.
    ///
    /// # Errors
    ///
    /// [`GenericAlertError`], which knows the status that answers it.
    pub fn client_events(&self) -> Result<Vec<ClientEvent>, GenericAlertError> {
        let alerts = self.alerts_of(AlertCode::CLIENT_EVENT)?.into_iter();
        let event = |alert: GenericAlert| {
            let mut event = ClientEvent::new(alert.alert_type, alert.format);
            event.source = alert.source;
            event.data = alert.data;
            event
        };
        Ok(alerts.map(event).collect())
    }

    fn alerts_of(&self, code: AlertCode) -> Result<Vec<GenericAlert>, GenericAlertError> {
        if self.code != Some(code) {
            return Err(GenericAlertError::NotGeneric);
        }
        if self.items.is_empty() {
            return Err(GenericAlertError::NoItem);
        }
        let items = self.items.iter().enumerate();
        items
            .map(|(index, item)| self.generic_alert(index, item))
            .collect()
    }

    fn generic_alert(
        &self,
        index: usize,
        item: &Item<'_>,
    ) -> Result<GenericAlert, GenericAlertError> {
        let alert_type = item.meta.media_type.as_deref().map_or("", str::trim);
        if alert_type.is_empty() {
            return Err(GenericAlertError::NoType(index));
        }
        if item.meta.format.is_none() {
            return Err(GenericAlertError::NoFormat(index));
        }
        let format = item.meta.format();
        let format = format.map_err(|_| GenericAlertError::UnknownFormat(index))?;
        let mut alert = GenericAlert::new(alert_type, format);
        alert.source = item
            .source
            .as_ref()
            .map(|source| source.uri.clone().into_owned());
        alert.mark = item.meta.mark();
        alert.correlator = self.correlator.as_deref().map(Correlator::new);
        if let Some(data) = &item.data {
            let text = data
                .to_text()
                .ok_or(GenericAlertError::DataNotText(index))?;
            alert.data = text.into_owned();
        }
        Ok(alert)
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::{Format, Mark};

    use super::*;

    fn item() -> Item<'static> {
        let meta = Meta::new().with_format(Format::Chr).with_type(" t\n");
        Item::new().with_meta(meta)
    }

    fn read(items: Vec<Item<'_>>) -> Result<Vec<GenericAlert>, GenericAlertError> {
        Alert::new(AlertCode::GENERIC)
            .with_items(items)
            .generic_alerts()
    }

    #[test]
    fn alerts_come_back_as_they_were_sent() {
        let mut alert = GenericAlert::new("urn:x", Format::Int);
        alert.source = Some("./A".into());
        alert.mark = Some(Mark::Critical);
        alert.correlator = Some(Correlator::new(" c "));
        alert.data = "406".into();
        let command = Alert::from_generic(&alert);
        assert_eq!(command.generic_alerts(), Ok(vec![alert.clone()]));
        assert_eq!(command.items[0].data, Some("406".into()));
        let bare = GenericAlert::new("urn:x", Format::Xml);
        let command = Alert::from_generic(&bare);
        assert_eq!(command.items[0].data, Some("".into()));
        assert_eq!(command.generic_alerts(), Ok(vec![bare]));
    }

    #[test]
    fn several_items_come_back_as_they_were_sent() {
        let mut alerts = vec![GenericAlert::new("a", Format::Chr); 3];
        alerts[1].mark = Some(Mark::Fatal);
        alerts[2].source = Some("./A".into());
        for alert in &mut alerts {
            alert.correlator = Some(Correlator::new("c"));
        }
        let command = Alert::from_generics(&alerts);
        assert_eq!(command.items.len(), 3);
        assert_eq!(command.generic_alerts(), Ok(alerts.clone()));
        assert_eq!(command.client_events(), Err(GenericAlertError::NotGeneric));

        let mut events = vec![ClientEvent::new("e", Format::Int); 2];
        events[0].source = Some("./A/B".into());
        events[1].data = "7".into();
        let command = Alert::from_client_events(&events);
        assert_eq!(command.code, Some(AlertCode::CLIENT_EVENT));
        assert_eq!(command.client_events(), Ok(events.clone()));
        assert_eq!(command.generic_alerts(), Err(GenericAlertError::NotGeneric));
    }

    #[test]
    fn each_item_is_an_alert_with_its_type_trimmed() {
        let alerts = read(vec![item(), item().with_data("x")]).unwrap();
        let data: Vec<_> = alerts.iter().map(|alert| alert.data.as_str()).collect();
        assert_eq!(data, ["", "x"]);
        assert_eq!(alerts[0].alert_type, "t");
    }

    #[test]
    fn what_is_incomplete_is_refused_with_its_status() {
        use GenericAlertError as Error;
        let mut no_type = item();
        no_type.meta.media_type = Some(" ".into());
        let mut no_format = item();
        no_format.meta.format = None;
        let mut unknown = item();
        unknown.meta.format = Some("CHR".into());
        let cases = [
            (read(vec![]), Error::NoItem, 412),
            (read(vec![item(), no_type]), Error::NoType(1), 412),
            (read(vec![no_format]), Error::NoFormat(0), 412),
            (read(vec![unknown]), Error::UnknownFormat(0), 415),
            (
                read(vec![item().with_data(vec![0xFF])]),
                Error::DataNotText(0),
                415,
            ),
            (
                Alert::new(AlertCode::DISPLAY).generic_alerts(),
                Error::NotGeneric,
                412,
            ),
            (Alert::default().generic_alerts(), Error::NotGeneric, 412),
        ];
        for (result, error, status) in cases {
            assert_eq!(result, Err(error));
            assert_eq!(error.status().get(), status);
        }
    }
}
