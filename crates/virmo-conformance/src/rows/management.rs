//! Seed 002, clause 11: managing what is in a VM.

use super::places;
use crate::{Proof, device, own, server};

rows! {
    Approved:
    "VR-201" Stmt "B" "11" "a VM is managed as a device of its own" by by!(device::A_VM_IS_LOCKED);
    "VR-202" Stmt "B" "11" "by FUMO, SCOMO, LAWMO, DCMO" by by!(device::FIRMWARE_OF_A_VM_IS_UPDATED, device::A_VM_IS_LOCKED, device::PERIPHERALS_ARE_MANAGED);
    "VR-203" Stmt "B" "11" "with a DM client in the VM, or without" by Proof::Information;
    "VR-204" Stmt "B" "11.1" "with a client inside: straight, or through a gateway" by by!(own::A_CLIENT_IN_A_VM_IS_ONE_MORE_DEVICE, own::A_GATEWAY_RELATES_TWO_SESSIONS);
    "VR-205" Stmt "B" "11.1.1" "straight: the VM is one more device" by by!(own::A_CLIENT_IN_A_VM_IS_ONE_MORE_DEVICE);
    "VR-206" Stmt "B" "11.1.1" "a VM without management needs no client" by by!(device::A_VM_LIVES);
    "VR-207" Stmt "B" "11.1.1" "straight works for both types of hypervisor" by Proof::Information;
    "VR-208" Stmt "B" "11.1.2" "through a gateway, where there is no straight way" by by!(own::A_GATEWAY_RELATES_TWO_SESSIONS);
    "VR-209" Stmt "B" "11.1.2" "transparent and proxy mode" by by!(own::A_NOTIFICATION_PASSES_A_GATEWAY, own::A_GATEWAY_RELATES_TWO_SESSIONS);
    "VR-210" Stmt "B" "11.1.2"
        "transparent: the notification reaches the client in the VM" by by!(own::A_NOTIFICATION_PASSES_A_GATEWAY);
    "VR-211" Stmt "B" "11.1.2" "proxy: two sessions, one for the other" by by!(own::A_GATEWAY_RELATES_TWO_SESSIONS);
    "VR-212" Stmt "B" "11.1.2" "proxy: the identifier may be a local one" by by!(own::A_GATEWAY_RELATES_TWO_SESSIONS);
    "VR-213" Stmt "B" "11.1.3"
        "a client in a VM is bootstrapped, in any of four ways" by by!(own::A_CLIENT_IN_A_VM_IS_ONE_MORE_DEVICE);
    "VR-214" Stmt "B" "11.1.3" "the bootstrap may be in the image" by Proof::Document(&places::OWN_CLIENT);
    "VR-215" Stmt "B" "11.2" "one DM client manages the VMs" by by!(device::A_VM_IS_LOCKED);
    "VR-216" Stmt "C" "11.2" "the client passes commands on to the VM" by by!(device::A_GUEST_FOLLOWS);
    "VR-217" Must "C" "11.2"
        "the tree of each VM is kept below DMTree" by by!(device::A_VM_IS_LOCKED);
    "VR-218" Stmt "C" "11.2" "DMTree is the place of one VM's tree" by by!(device::A_VM_IS_LOCKED);
    "VR-219" Must "B" "11.2"
        "the objects for a VM are made below DMTree"
        by by!(device::PERIPHERALS_ARE_MANAGED, server::MANAGEMENT);
    "VR-220" Stmt "C" "11.2"
        "a VM nobody manages has no DMTree" by by!(device::NODES_OF_A_MANAGED_VM);
    "VR-221" Stmt "S" "11.2"
        "the server can make objects below DMTree later"
        by by!(device::PERIPHERALS_ARE_MANAGED, server::MANAGEMENT);
    "VR-222" Stmt "B" "11.2" "Exec on FUMO below DMTree updates that VM" by by!(device::FIRMWARE_OF_A_VM_IS_UPDATED);
    "VR-223" Stmt "B" "11.2"
        "Exec on LAWMO below DMTree locks that VM" by by!(device::A_VM_IS_LOCKED);
    "VR-224" Must "B" "11.2.1"
        "both follow the three steps" by by!(device::A_VM_IS_LOCKED, server::MANAGEMENT);
    "VR-225" Must "S" "11.2.1 step 1"
        "the server configures objects after creation" by by!(server::MANAGEMENT);
    "VR-226" Stmt "B" "11.2.1 step 1"
        "DMTree is the root of the VM's tree" by by!(device::A_VM_IS_LOCKED);
    "VR-227" Stmt "B" "11.2.1 step 1"
        "the roots of objects carry their MOID" by by!(device::PERIPHERALS_ARE_MANAGED);
    "VR-228" Step "S" "11.2.1 step 2"
        "the server then sends commands to them" by by!(server::MANAGEMENT);
    "VR-229" Step "C" "11.2.1 step 3"
        "the client can tell a command for a VM" by by!(device::A_VM_IS_LOCKED);
    "VR-230" Must "C" "11.2.1 step 3"
        "a command below DMTree is for that VM" by by!(device::A_VM_IS_LOCKED);
    "VR-231" Step "C" "11.2.1 step 3" "it is answered now or later" by by!(device::A_VM_IS_LOCKED);
    "VR-232" Stmt "B" "11.2.2"
        "alerts of user interaction are never for a VM" by by!(device::A_USER_IS_ASKED);
    "VR-233" NodeOpt "C" "11.2.2 VirMO/<x>/UI"
        "node UI: optional, One, node, Get" by by!(device::NODES_OF_INTERACTION);
    "VR-234" NodeReq "C" "11.2.2 VirMO/<x>/UI/Command"
        "node UI/Command: One, xml, Get" by by!(device::NODES_OF_INTERACTION);
    "VR-235" Must "S" "11.2.2 UI/Command"
        "UI/Command is an Alert" by by!(device::A_USER_IS_ASKED, server::INTERACTION);
    "VR-236" NodeReq "C" "11.2.2 VirMO/<x>/UI/Result"
        "node UI/Result: One, xml, Get, No Replace" by by!(device::NODES_OF_INTERACTION);
    "VR-237" Must "C" "11.2.2 UI/Result" "UI/Result is a Status" by by!(device::A_USER_IS_ASKED);
    "VR-238" NodeOpt "C" "11.2.2 VirMO/<x>/Operations/ExecUICmd"
        "node ExecUICmd: optional, One, null, Exec" by by!(device::NODES_OF_INTERACTION);
    "VR-239" Must "S" "11.2.2 ExecUICmd"
        "UI/Command is set before the Exec" by by!(server::INTERACTION);
    "VR-240" Must "C" "11.2.2 ExecUICmd"
        "UI/Result is set after it" by by!(device::A_USER_IS_ASKED);
    "VR-241" Must "S" "11.2.2 step 1" "the server sets UI/Command" by by!(server::INTERACTION);
    "VR-242" Step "S" "11.2.2 step 2" "then it sends Exec to ExecUICmd" by by!(server::INTERACTION);
    "VR-243" Must "C" "11.2.2 step 3"
        "the client carries the command out for that VM" by by!(device::A_USER_IS_ASKED);
    "VR-244" Must "C" "11.2.2 step 3" "then it sets UI/Result" by by!(device::A_USER_IS_ASKED);
    "VR-245" Step "C" "11.2.2 step 4" "it answers now or later" by by!(device::A_USER_IS_ASKED);
    "VR-246" Step "S" "11.2.2 step 5" "the server reads UI/Result then" by by!(server::INTERACTION);
}
