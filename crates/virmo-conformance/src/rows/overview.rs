//! Seed 002, clauses 1 to 6: scope, references, words, what is wanted, architecture.

use super::places;
use crate::{Proof, device, server};

rows! {
    Approved:
    "VR-001" Info "D" "1"
        "scope: one management object for the VMs of a device, over OMA DM" by Proof::Information;
    "VR-002" Ref "B" "2.1" "DCMO 1.0" by Proof::Reference;
    "VR-003" Ref "B" "2.1" "Download OTA 1.0" by Proof::Reference;
    "VR-004" Ref "B" "2.1" "OMA DM 1.3" by Proof::Reference;
    "VR-005" Ref "B" "2.1" "the DM dictionary" by Proof::Reference;
    "VR-006" Ref "B" "2.1" "FUMO 1.0" by Proof::Reference;
    "VR-007" Ref "B" "2.1" "GwMO 1.0" by Proof::Reference;
    "VR-008" Ref "B" "2.1" "LAWMO 1.0" by Proof::Reference;
    "VR-009" Ref "B" "2.1" "the service environment of OMA" by Proof::Reference;
    "VR-010" Ref "B" "2.1" "the key words of RFC 2119" by Proof::Reference;
    "VR-011" Ref "B" "2.1" "HTTP/1.1" by Proof::Reference;
    "VR-012" Ref "B" "2.1" "ABNF" by Proof::Reference;
    "VR-013" Ref "B" "2.1" "SCOMO 1.0" by Proof::Reference;
    "VR-014" Ref "B" "2.1" "the notation of conformance tables" by Proof::Reference;
    "VR-015" Info "D" "2.2" "the dictionary of OMA" by Proof::Information;
    "VR-016" Stmt "B" "3.1"
        "key words bind; all but scope, introduction and what is marked is binding"
        by Proof::Document(&places::WORDS);
    "VR-017" Stmt "B" "3.2"
        "a VM is an isolated place to run in" by Proof::Document(&places::WORDS);
    "VR-018" Stmt "C" "3.2"
        "resuming goes on from what was saved, with resources again"
        by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-019" Stmt "C" "3.2"
        "suspending stops, saves, and then gives resources back"
        by by!(device::A_SUSPENDED_VM_KEEPS_ITS_EXECUTION);
    "VR-020" Stmt "D" "3.2"
        "a device that can manage VMs, from the factory or by an update"
        by Proof::Document(&places::WORDS);
    "VR-021" Info "D" "3.2, 3.3" "other words as in the DM dictionary" by Proof::Information;
    "VR-022" Info "B" "4" "any VM is managed, by other objects too" by Proof::Information;
    "VR-023" Info "B" "4" "for bare-metal and hosted hypervisors" by Proof::Information;
    "VR-024" Shall "B" "5.1 VirMO-HLF-01"
        "a VM can be created" by by!(device::A_VM_LIVES, server::CREATION);
    "VR-025" Shall "B" "5.1 VirMO-HLF-02"
        "a VM can be deleted" by by!(device::A_VM_LIVES, server::DELETION);
    "VR-026" Shall "B" "5.1 VirMO-HLF-03"
        "a VM can be powered on" by by!(device::A_VM_LIVES, server::OPERATIONS);
    "VR-027" Shall "B" "5.1 VirMO-HLF-04"
        "a VM can be powered off" by by!(device::A_VM_LIVES, server::OPERATIONS);
    "VR-028" Shall "B" "5.1 VirMO-HLF-05"
        "the resources of a VM can be managed"
        by by!(device::RESOURCES_ARE_APPLIED, server::RESOURCES);
    "VR-029" Shall "B" "5.1 VirMO-HLF-06"
        "the peripherals of a VM can be managed" by by!(device::PERIPHERALS_ARE_MANAGED);
    "VR-030" Shall "B" "5.1 VirMO-HLF-07"
        "existing objects work for each VM" by by!(device::A_VM_IS_LOCKED);
    "VR-031" Shall "B" "5.1 VirMO-HLF-08"
        "a VM can be given firmware" by by!(device::A_VM_LIVES, server::CREATION);
    "VR-032" Shall "B" "5.1 VirMO-HLF-09"
        "a VM has an identifier of its own on the device" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-033" Shall "B" "5.1 VirMO-HLF-10"
        "a VM can be suspended" by by!(device::A_VM_LIVES, server::OPERATIONS);
    "VR-034" Shall "B" "5.1 VirMO-HLF-11"
        "a VM can be resumed" by by!(device::A_VM_LIVES, server::OPERATIONS);
    "VR-035" Shall "B" "5.1 VirMO-HLF-12" "a VM can be locked" by by!(device::A_VM_IS_LOCKED);
    "VR-036" Shall "B" "5.1 VirMO-HLF-13" "a VM can be unlocked" by by!(device::A_VM_IS_LOCKED);
    "VR-037" Shall "B" "5.1 VirMO-HLF-14" "the firmware of a VM can be updated" by by!(device::FIRMWARE_OF_A_VM_IS_UPDATED);
    "VR-038" Shall "B" "5.1 VirMO-HLF-15"
        "an image can be delivered" by by!(device::AN_IMAGE_IS_DELIVERED, server::DELIVERY);
    "VR-039" Stmt "B" "6.1" "it stands on OMA DM" by by!(device::A_VM_LIVES, server::CREATION);
    "VR-040" Stmt "B" "6.2 (Fig. 1)"
        "client, server and VM are parts of their own; VirMO-1 and VirMO-2 between them"
        by Proof::Document(&places::PARTS);
    "VR-041" Stmt "C" "6.3.1.1"
        "the client carries out what the server asks for" by by!(device::A_VM_LIVES);
    "VR-042" Stmt "C" "6.3.1.1" "the client answers with the results" by by!(device::A_VM_LIVES);
    "VR-043" Stmt "C" "6.3.1.1"
        "the client sends generic alerts" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-044" Stmt "C" "6.3.1.1"
        "the client manages VMs through interfaces inside the device"
        by by!(device::MACHINES_FOLLOW);
    "VR-045" Stmt "C" "6.3.1.1"
        "the client speaks through the DM client" by by!(device::A_VM_LIVES);
    "VR-046" Stmt "S" "6.3.1.2" "the server asks for operations" by by!(server::OPERATIONS);
    "VR-047" Stmt "S" "6.3.1.2" "the server takes the alerts" by by!(server::DELIVERY);
    "VR-048" Stmt "S" "6.3.1.2" "the server speaks through the DM server" by by!(server::CREATION);
    "VR-049" Stmt "C" "6.3.1.3"
        "a VM is worked through the inner interface as the server says"
        by by!(device::MACHINES_FOLLOW);
    "VR-050" Ref "C" "6.3.1.4" "the DM client of OMA DM" by Proof::Reference;
    "VR-051" Ref "S" "6.3.1.5" "the DM server of OMA DM" by Proof::Reference;
    "VR-052" Stmt "B" "6.3.2.1"
        "VirMO-1: operations one way, status and results back"
        by by!(device::A_VM_LIVES, server::OPERATIONS);
    "VR-053" Stmt "B" "6.3.2.2"
        "VirMO-2: generic alerts to the server"
        by by!(device::AN_IMAGE_IS_DELIVERED, server::DELIVERY);
    "VR-054" Ref "B" "6.3.2.3" "DM-1 carries all of it" by Proof::Reference;
    "VR-055" Info "C" "6.4" "type I: a management VM manages the others" by Proof::Information;
    "VR-056" Info "C" "6.4" "type II: the client lives in the host" by Proof::Information;
}
