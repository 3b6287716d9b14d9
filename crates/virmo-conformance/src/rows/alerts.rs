//! Seed 002, clauses 12 and 13, appendices: the alert, files, conformance tables.

use crate::{Proof, device, own, server};

rows! {
    Approved:
    "VR-247" Stmt "C" "12.1"
        "the alert comes for a whole image only"
        by by!(device::AN_IMAGE_IS_DELIVERED, device::A_DOWNLOAD_FAILS);
    "VR-248" Stmt "C" "12.1" "it is a generic alert, 1226" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-249" Must "C" "12.1 Meta/Type" "its type" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-250" Must "C" "12.1 Meta/Format" "its format is xml" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-251" Optional "C" "12.1 Meta/Mark"
        "its mark is optional" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-252" Must "C" "12.1 Source/LocURI"
        "its source is the Download node" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-253" Info "C" "12.1 example" "its shape in an example" by Proof::Information;
    "VR-254" Ref "D" "13.1" "the DDF file VirMO-V1_0.ddf" by Proof::Reference;
    "VR-255" Ref "D" "13.1" "the DDF file VMImgMO-V1_0.ddf" by Proof::Reference;
    "VR-256" Stmt "D" "13.2" "the registered object VirMO" by by!(own::REGISTERED_OBJECTS);
    "VR-257" Stmt "D" "13.2" "the registered object VMImgMO" by by!(own::REGISTERED_OBJECTS);
    "VR-258" Info "D" "App. A" "the approved version" by Proof::Information;
    "VR-259" Info "B" "App. B.1" "use case: an enterprise VM is provided" by Proof::Information;
    "VR-260" Info "B" "App. B.2" "use case: it is deleted, and nothing else" by Proof::Information;
    "VR-261" Info "B" "App. B.3" "use case: its peripherals are blocked" by Proof::Information;
    "VR-262" Info "B" "App. B.4"
        "use case: a VM is suspended and resumed without loss" by Proof::Information;
    "VR-263" Ref "D" "App. C" "the notation of conformance tables" by Proof::Reference;
    "VR-264" ScrM "C" "App. C.1 VirMO-C-001-M" "VirMO client" by by!(device::A_VM_LIVES);
    "VR-265" ScrM "S" "App. C.2 VirMO-S-001-M" "VirMO server" by by!(server::CREATION);
    "VR-266" ScrM "C" "App. C.3 VirMO-T-001-M"
        "the identifiers of the objects" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-267" ScrM "C" "App. C.3 VirMO-T-002-M"
        "required nodes" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-268" ScrO "C" "App. C.3 VirMO-T-003-O"
        "optional nodes" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-269" ScrM "C" "App. C.3 VirMO-T-004-M"
        "required nodes below optional ones" by by!(device::NODES_OF_INTERACTION);
    "VR-270" ScrM "C" "App. C.4.1 VirMO-C-001-M"
        "VMID is given when the nodes are made" by by!(device::A_VM_LIVES);
    "VR-271" ScrM "C" "App. C.4.1 VirMO-C-002-M" "State follows the VM" by by!(device::A_VM_LIVES);
    "VR-272" ScrM "C" "App. C.4.1 VirMO-C-003-M"
        "a VM is created of CreateParams" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-273" ScrM "C" "App. C.4.1 VirMO-C-004-M" "a VM is deleted" by by!(device::A_VM_LIVES);
    "VR-274" ScrM "C" "App. C.4.1 VirMO-C-005-M" "a VM is suspended" by by!(device::A_VM_LIVES);
    "VR-275" ScrM "C" "App. C.4.1 VirMO-C-006-M"
        "a suspended VM is resumed" by by!(device::A_VM_LIVES);
    "VR-276" ScrM "C" "App. C.4.1 VirMO-C-007-M" "a VM is powered on" by by!(device::A_VM_LIVES);
    "VR-277" ScrM "C" "App. C.4.1 VirMO-C-008-M" "a VM is powered off" by by!(device::A_VM_LIVES);
    "VR-278" ScrO "C" "App. C.4.1 VirMO-C-009-O"
        "the tree of a VM is managed below DMTree" by by!(device::A_VM_IS_LOCKED);
    "VR-279" ScrO "C" "App. C.4.1 VirMO-C-010-O"
        "resources are allocated" by by!(device::RESOURCES_ARE_APPLIED);
    "VR-280" ScrM "C" "App. C.4.2 VirMO-C-011-M"
        "an image is delivered" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-281" ScrM "C" "App. C.4.2 VirMO-C-012-M"
        "an image is deleted" by by!(device::AN_IMAGE_IS_DELETED);
    "VR-282" ScrM "S" "App. C.5 VirMO-S-001-M"
        "both objects are supported by the server" by by!(server::DELIVERY, server::CREATION);
}
