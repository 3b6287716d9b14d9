use omadm_core::{Format, StatusCode};
use omadm_mo::{Context, ExecResult, JobEnd};
use omadm_tree::{TreeError, Uri, Value};

use super::{Done, Item, Scomo, ScomoBranch, ScomoOperation};
use crate::{
    ResultCode,
    ledger::{Report, below, output, text},
};

/// What came of the steps of an operation.
impl Scomo {
    pub(super) fn tell(
        &self,
        report: Option<Report>,
        code: ResultCode,
        ids: &[String],
        cx: &mut Context<'_, '_>,
    ) -> ExecResult {
        self.ledger.tasks.report_as(report, code, cx, |alert| {
            alert.format = Format::Xml;
            let identifiers = ids
                .iter()
                .map(|id| format!("<Identifier>{}</Identifier>", escaped(id)));
            alert.data =
                format!("<ResultCode>{code}</ResultCode>") + &identifiers.collect::<String>();
        })
    }

    /// Writes what came of a download, and goes on if there is more to do.
    pub(super) fn downloaded(
        &mut self,
        item: &Item,
        end: JobEnd,
        report: Option<Report>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        let result: Option<Result<(), ResultCode>> = output(end);
        let result = result.unwrap_or(Err(ResultCode::SCOMO_DOWNLOAD_FAILED));
        let result = result.and_then(|()| {
            let delivered = self.deliver(&item.node, cx);
            delivered.map_err(|_| ResultCode::SCOMO_DOWNLOAD_MEMORY)
        });
        if let Err(code) = result {
            self.status(&item.node, item.operation.failed(), cx)?;
            return Ok(self.tell(report, failure(code), &[], cx));
        }
        if item.operation == ScomoOperation::Download || report.is_none() {
            self.status(&item.node, 40, cx)?;
            return Ok(self.tell(report, ResultCode::SUCCESS, &[], cx));
        }
        let place = self.place(&item.node);
        self.status(&item.node, 50, cx)?;
        self.status(&place, ScomoOperation::Install.progress(), cx)?;
        let (task, work) = self.install(item, cx);
        self.ledger.begin(report, &place, task, work, cx);
        Ok(StatusCode::ACCEPTED.into())
    }

    /// Makes a package that was downloaded one that is delivered.
    fn deliver(&self, node: &Uri, cx: &mut Context<'_, '_>) -> Result<(), TreeError> {
        let place = self.place(node);
        cx.tree.add_interior(cx.schema, &place)?;
        for leaf in [
            "PkgID",
            "Name",
            "Description",
            "InstallParams",
            "EnvType",
            "PkgType",
        ] {
            let value = text(cx, &below(node, leaf));
            self.set(&place, leaf, Value::chr(value), cx)?;
        }
        self.set(&place, "Data", Value::bin([]), cx)?;
        self.set(&place, "State", Value::int(10), cx)?;
        self.status(&place, 10, cx)
    }

    /// Writes what came of an installation.
    pub(super) fn installed(
        &mut self,
        item: &Item,
        end: JobEnd,
        report: Option<Report>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        let (result, components) = done(end, ResultCode::SCOMO_INSTALL_FAILED);
        self.show(components, cx);
        let place = self.place(&item.node);
        let downloads = item.operation.branch() == ScomoBranch::Download;
        let (code, ids) = match result {
            Ok(ids) => {
                self.set(&place, "State", Value::int(20), cx)?;
                self.status(&place, 10, cx)?;
                self.status(&item.node, 10, cx)?;
                (ResultCode::SUCCESS, ids)
            }
            Err(code @ (ResultCode::SCOMO_INVALID | ResultCode::SCOMO_ENVIRONMENT)) => {
                let id = text(cx, &below(&place, "PkgID"));
                self.discard_own(&place, id, cx);
                if downloads {
                    self.status(&item.node, 70, cx)?;
                    if cx.tree.node(&place).is_some() {
                        cx.tree.remove(&place)?;
                    }
                }
                self.set(&place, "Data", Value::bin([]), cx)?;
                self.status(&place, 60, cx)?;
                self.discard(&place, cx);
                (code, Vec::new())
            }
            Err(code) => {
                self.status(&place, 50, cx)?;
                self.status(&item.node, if downloads { 60 } else { 50 }, cx)?;
                (code, Vec::new())
            }
        };
        Ok(self.tell(report, code, &ids, cx))
    }

    /// Writes what came of an operation with one step.
    pub(super) fn ended(
        &mut self,
        item: &Item,
        end: JobEnd,
        report: Option<Report>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        let (result, components) = done(end, item.operation.failure());
        let code = match &result {
            Ok(_)
                if matches!(
                    item.operation,
                    ScomoOperation::Remove | ScomoOperation::RemovePackage
                ) =>
            {
                if cx.tree.node(&item.node).is_some() {
                    cx.tree.remove(&item.node)?;
                }
                if item.operation == ScomoOperation::RemovePackage {
                    self.discard(&item.node, cx);
                }
                ResultCode::SUCCESS
            }
            Ok(_) => {
                let state = if item.operation.activates() { 20 } else { 10 };
                self.set(&item.node, "State", Value::int(state), cx)?;
                self.status(&item.node, 10, cx)?;
                ResultCode::SUCCESS
            }
            Err(code) => {
                self.status(&item.node, item.operation.failed(), cx)?;
                *code
            }
        };
        self.show(components, cx);
        Ok(self.tell(report, code, &result.unwrap_or_default(), cx))
    }
}

/// What a step brought back.
fn done(end: JobEnd, otherwise: ResultCode) -> Done {
    let (result, components) = output(end).unwrap_or((Err(otherwise), None));
    (result.map_err(failure), components)
}

/// A code that says of a failure that it is one.
const fn failure(code: ResultCode) -> ResultCode {
    match code.is_success() {
        true => ResultCode::SCOMO_UNDEFINED,
        false => code,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
