use std::{sync::Arc, time::Duration};

use omadm_core::{Interaction, StatusCode, UserAnswer, UserInteraction};
use omadm_download::{Cancel, Clock};
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId, Refusal};
use omadm_tree::{TreeError, Value};
use virmo_hypervisor::{HypervisorError, HypervisorErrorKind};
use virmo_nodes::VmNode;
use virmo_state::{VmId, VmState};

use super::{VirmoClient, output};
use crate::{
    Event, VmQuestion, VmUserInterface,
    drive::Failure,
    features::{DM_TREE, UI},
    intent::{QuestionIntent, Reply},
    interaction::{self, NoCommand, Verdict},
    ledger::{QuestionTask, Subject},
    nodes::set,
};

/// Questions to the user of a VM. [VirMO §11.2.2]
impl VirmoClient {
    /// UI/Command is written: it is one Alert, and there is no result of it yet.
    pub(super) fn write_question(
        &mut self,
        node: &str,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let Some(vm) = self.vm(node, cx) else {
            return Ok(());
        };
        let open = |id: VmId| self.book.read().questions.contains_key(&id);
        if vm.id().is_some_and(open) {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        match vm.text(VmNode::UiCommand) {
            "" => {}
            text => {
                let command = interaction::command(text);
                command.map_err(|NoCommand| Refusal(StatusCode::BAD_REQUEST))?;
            }
        }
        if let Some(id) = vm.id() {
            self.end_left(&id, cx);
        }
        Ok(self.forget_result(node, cx)?)
    }

    pub(super) fn exec_question(
        &mut self,
        node: &str,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let interface = self.interface.clone().ok_or(StatusCode::NOT_FOUND)?;
        let vm = self.vm(node, cx).ok_or(StatusCode::NOT_FOUND)?;
        let id = vm.id().ok_or(StatusCode::COMMAND_FAILED)?;
        let ledger = self.book.read();
        let asking = ledger.questions.contains_key(&id);
        if vm.state() != VmState::Running || ledger.is_busy(&id) || asking {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let text = match vm.text(VmNode::UiCommand) {
            "" => return Err(StatusCode::INCOMPLETE_COMMAND),
            text => text,
        };
        let fits = text.len() <= self.policy.question_octets;
        let command = interaction::command(text).map_err(|NoCommand| StatusCode::BAD_REQUEST)?;
        let asked = match command.user_interaction() {
            Err(error) => Err(error.status()),
            Ok(_) if !fits => Err(StatusCode::REQUESTED_SIZE_TOO_BIG),
            Ok(asked) => Ok(asked),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(status) => {
                self.conclude(node, &id, &Verdict::Status(status), cx)
                    .map_err(|error| error.status())?;
                return Ok(StatusCode::OK.into());
            }
        };
        self.end_left(&id, cx);
        self.forget_result(node, cx)
            .map_err(|error| error.status())?;
        let intent = QuestionIntent {
            vm: id,
            node: node.to_owned(),
            reply: Reply::new(request.correlator),
        };
        intent.save(&mut cx.effects.batch);
        let job = self.ask(interface, intent, asked, cx);
        Ok(ExecAnswer::Pending(job, self.policy.reporting))
    }

    /// Asks for the job that asks.
    fn ask(
        &mut self,
        interface: Arc<dyn VmUserInterface>,
        intent: QuestionIntent,
        asked: UserInteraction,
        cx: &mut Context<'_, '_>,
    ) -> JobId {
        let limit = self.policy.interaction_limit;
        let within = asked
            .options
            .max_display
            .map_or(limit, |max| max.min(limit));
        let over = Cancel::new();
        let (clock, thrown) = (Arc::clone(&self.clock), over.clone());
        let (vm, node, shown) = (intent.vm.clone(), intent.node.clone(), asked.clone());
        let work = Box::new(move || {
            let question = VmQuestion::new(&vm, &node, &shown, within);
            let answer = show(&*interface, &question, &thrown, &*clock);
            Box::new(answer) as _
        });
        // Beside the lane of the VM: its primitives do not wait for people.
        let lane = format!("ui {}", intent.vm);
        let job = cx
            .effects
            .job(lane, format!("ExecUICmd {}", intent.node), work);
        // One that is to stay until then is not late.
        let stays = shown_for(&asked).is_some_and(|shortest| shortest >= within);
        job.time_limit = Some(if stays {
            within.saturating_add(CLOSING)
        } else {
            within
        });
        let job = job.id;
        let ledger = self.book.write();
        let vm = intent.vm.clone();
        ledger.jobs.insert(job, Subject::Question(vm.clone()));
        let task = QuestionTask {
            job,
            intent,
            asked,
            over,
            concluded: false,
        };
        ledger.questions.insert(vm, task);
        job
    }

    pub(super) fn question_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> StatusCode {
        let timed_out = matches!(end, JobEnd::TimedOut);
        if !timed_out {
            self.book.ended(job);
        }
        let task = self.book.read().questions.get(vm);
        let Some(task) = task.filter(|task| task.job == job).cloned() else {
            return StatusCode::COMMAND_FAILED;
        };
        if timed_out {
            let over = task.over.clone();
            self.book.then(move || over.cancel());
            if let Some(task) = self.book.write().questions.get_mut(vm) {
                task.concluded = true;
            }
        } else {
            self.book.write().questions.remove(vm);
        }
        if task.concluded {
            return StatusCode::COMMAND_FAILED;
        }
        let withdrawn = task.over.is_cancelled();
        let answered = output::<Result<UserAnswer, HypervisorError>>(end);
        let (verdict, status) = match answered {
            _ if timed_out => (Verdict::Answer(UserAnswer::TimedOut), StatusCode::OK),
            _ if withdrawn => (Verdict::NOT_EXECUTED, StatusCode::COMMAND_FAILED),
            Ok(Ok(answer)) => {
                let fits = task.asked.accepts(&answer);
                let answer = if fits {
                    answer
                } else {
                    UserAnswer::CannotDisplay
                };
                (Verdict::Answer(answer), StatusCode::OK)
            }
            Ok(Err(error)) => match answer_in(&error) {
                Some(answer) => (Verdict::Answer(answer), StatusCode::OK),
                None => {
                    self.tell_unreachable(&task.intent, Failure::from(error));
                    (Verdict::NOT_EXECUTED, StatusCode::COMMAND_FAILED)
                }
            },
            Err(failure) => {
                self.tell_unreachable(&task.intent, failure);
                (Verdict::NOT_EXECUTED, StatusCode::COMMAND_FAILED)
            }
        };
        let status = match self.conclude(&task.intent.node, vm, &verdict, cx) {
            Ok(()) => status,
            // The tree is too full for it.
            Err(error) => error.status(),
        };
        QuestionIntent::forget(&mut cx.effects.batch, vm);
        self.reply_question(&task.intent, status, cx);
        status
    }

    /// The VM left Running: nobody is there to answer, neither its user nor its guest.
    pub(super) fn withdraw_calls(&mut self, vm: &VmId) {
        if !DM_TREE && !UI {
            return;
        }
        let (link, guest) = (Arc::clone(&self.link), vm.clone());
        self.book.then(move || link.abandon(&guest));
        let open = self.book.read().questions.get(vm);
        if let Some(over) = open.map(|task| task.over.clone()) {
            self.book.then(move || over.cancel());
        }
    }

    /// A question the last run left open was asked in vain.
    pub(super) fn take_up_question(&mut self, intent: &QuestionIntent, cx: &mut Context<'_, '_>) {
        let vm = self.vm(&intent.node, cx);
        let unanswered = vm.is_some_and(|vm| {
            vm.id().as_ref() == Some(&intent.vm) && vm.text(VmNode::UiResult).is_empty()
        });
        if unanswered {
            // That a tree is too full for a result keeps no device from starting.
            let _ = self.conclude(&intent.node, &intent.vm, &Verdict::NOT_EXECUTED, cx);
        }
        QuestionIntent::forget(&mut cx.effects.batch, &intent.vm);
        self.reply_question(intent, StatusCode::COMMAND_FAILED, cx);
    }

    /// Writes UI/Result, if the VM and its command are still there.
    fn conclude(
        &mut self,
        node: &str,
        vm: &VmId,
        verdict: &Verdict,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let found = self.vm(node, cx).map(|vm| vm.text(VmNode::UiCommand));
        let command = found.and_then(|text| interaction::command(text).ok()?.cmd_id);
        let Some(command) = command else {
            return Ok(());
        };
        let (status, document) = verdict.document(command);
        let leaf = VmNode::UiResult.of(&self.roots.vm(node));
        set(cx, &leaf, Value::xml(document))?;
        self.book.tell(Event::Interaction {
            node: node.to_owned(),
            vm: vm.clone(),
            status,
        });
        Ok(())
    }

    fn forget_result(&self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), TreeError> {
        let leaf = VmNode::UiResult.of(&self.roots.vm(node));
        match self.vm(node, cx).map(|vm| vm.text(VmNode::UiResult)) {
            None | Some("") => Ok(()),
            Some(_) => set(cx, &leaf, Value::xml("")),
        }
    }

    fn reply_question(
        &self,
        intent: &QuestionIntent,
        status: StatusCode,
        cx: &mut Context<'_, '_>,
    ) {
        let source = VmNode::ExecUiCmd.of(&self.roots.vm(&intent.node));
        self.report(&source, &intent.reply, status, cx);
    }

    fn tell_unreachable(&mut self, intent: &QuestionIntent, failure: Failure) {
        self.book.tell(Event::Unreachable {
            node: intent.node.clone(),
            vm: intent.vm.clone(),
            reason: failure.reason,
        });
    }
}

/// What a text that stays until its time is over may take to go.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a text has to stay: MINDT.
fn shown_for(asked: &UserInteraction) -> Option<Duration> {
    let display = asked.interaction == Interaction::Display;
    asked.options.min_display.filter(|_| display)
}

/// Asks; a text that was shown stays for MINDT.
fn show(
    interface: &dyn VmUserInterface,
    question: &VmQuestion<'_>,
    over: &Cancel,
    clock: &dyn Clock,
) -> Result<UserAnswer, HypervisorError> {
    let begun = clock.now();
    let answer = interface.ask(question, over)?;
    if let Some(shortest) = shown_for(question.asked) {
        let shown = clock.now().saturating_sub(begun);
        let left = shortest.min(question.within).saturating_sub(shown);
        clock.wait(left, over);
    }
    Ok(answer)
}

/// What an error says about the user, if anything.
fn answer_in(error: &HypervisorError) -> Option<UserAnswer> {
    match error.kind() {
        HypervisorErrorKind::Timeout { .. } => Some(UserAnswer::TimedOut),
        HypervisorErrorKind::NotSupported => Some(UserAnswer::Unsupported),
        _ => None,
    }
}
