//! The optional features: JSON under the specification's names, strategies that are valid.
#![allow(clippy::unwrap_used, reason = "test code")]

use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::{Value, json};
use virmo_params::{CreateParams, DeviceResources, ResourceConfig};

fn json_of<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn fields_have_the_names_of_the_specification() {
    let params: CreateParams = "ImgID=img-1&b=2&a=%26".parse().unwrap();
    assert_eq!(
        serde_json::to_string(&params).unwrap(),
        r#"{"ImgID":"img-1","Running":true,"vendor":{"b":"2","a":"&"}}"#
    );
    let config: ResourceConfig = "RAM=1&Storage=2&CPU=3&Network=4".parse().unwrap();
    assert_eq!(
        json_of(&config),
        json!({"RAM": 1, "Storage": 2, "CPU": 3, "Network": 4, "vendor": {}})
    );
    let device: DeviceResources = "RAM=1&Storage=2".parse().unwrap();
    assert_eq!(
        json_of(&device),
        json!({"RAM": 1, "Storage": 2, "vendor": {}})
    );
}

#[test]
fn json_is_checked_as_text_is() {
    let read = |value: Value| serde_json::from_value::<CreateParams>(value);
    assert!(read(json!({"ImgID": "i"})).unwrap().running);
    assert!(read(json!({"ImgID": ""})).is_err());
    assert!(read(json!({"Running": true})).is_err());
    let error = read(json!({"ImgID": "i", "vendor": 1})).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected a map of vendor keys to texts"),
        "{error}"
    );
    assert!(read(json!({"ImgID": "i", "Other": 1})).is_err());
    assert!(read(json!({"ImgID": "i", "vendor": {"a b": "1"}})).is_err());
    let error = read(json!({"ImgID": "i", "vendor": {"ImgID": "j"}})).unwrap_err();
    assert_eq!(error.to_string(), "repeated key: ImgID");
    let twice = r#"{"ImgID": "i", "vendor": {"a": "1", "a": "2"}}"#;
    assert!(serde_json::from_str::<CreateParams>(twice).is_err());
    let above = json!({"RAM": 1, "Storage": 2, "CPU": 101, "Network": 4});
    assert!(serde_json::from_value::<ResourceConfig>(above).is_err());
    let reserved = json!({"RAM": 1, "Storage": 2, "vendor": {"RAM": "1"}});
    assert!(serde_json::from_value::<DeviceResources>(reserved).is_err());
}

proptest! {
    #[test]
    fn texts_and_json_round_trip(
        params in any::<CreateParams>(),
        config in any::<ResourceConfig>(),
        device in any::<DeviceResources>(),
    ) {
        prop_assert_eq!(&params.to_string().parse::<CreateParams>().unwrap(), &params);
        prop_assert_eq!(&config.to_string().parse::<ResourceConfig>().unwrap(), &config);
        prop_assert_eq!(&device.to_string().parse::<DeviceResources>().unwrap(), &device);
        let json = serde_json::to_string(&(&params, &config, &device)).unwrap();
        prop_assert_eq!(serde_json::from_str(&json).ok(), Some((params, config, device)));
    }
}
