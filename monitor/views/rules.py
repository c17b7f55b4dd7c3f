"""Rules: the list, the page of one with its settings, and a dry run."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alerts.models import RuleSetting
from alerts.rules import RULES, AnyRule
from backups.activity import record
from backups.models.activity import Verb
from monitor.access.roles import Role, needs
from monitor.forms.rule import RuleSettingForm
from monitor.selectors.rules import load_rule, load_rules
from monitor.views.channels import FORM_METHODS


@require_safe
@needs(Role.VIEWER)
def rules(request: HttpRequest) -> HttpResponse:
    dry_run = "dry_run" in request.GET
    context = {"rows": load_rules(now(), dry_run=dry_run), "dry_run": dry_run}
    return render(request, "monitor/rules.html", context)


@require_safe
@needs(Role.VIEWER)
def rule_detail(request: HttpRequest, rule: str) -> HttpResponse:
    dry_run = "dry_run" in request.GET
    view = load_rule(rule, now(), dry_run=dry_run)
    if view is None:
        raise Http404(f"no rule is named {rule}")
    context = {"view": view, "rule": view.row.rule, "dry_run": dry_run}
    return render(request, "monitor/rule_detail.html", context)


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def rule_setting_add(request: HttpRequest, rule: str) -> HttpResponse:
    known_rule = _rule(rule)
    return _edit(request, known_rule, RuleSetting(rule=known_rule.name))


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def rule_setting_edit(request: HttpRequest, rule: str, setting: int) -> HttpResponse:
    return _edit(request, _rule(rule), get_object_or_404(RuleSetting, pk=setting, rule=rule))


@require_POST
@needs(Role.ADMIN)
def rule_setting_delete(request: HttpRequest, rule: str, setting: int) -> HttpResponse:
    """Delete a setting, so that the wider scope applies."""
    row = get_object_or_404(RuleSetting, pk=setting, rule=rule)
    record(Verb.DELETED, row)
    row.delete()
    messages.success(request, "The setting was deleted: the wider scope applies again.")
    return redirect("rule-detail", rule)


def _rule(name: str) -> AnyRule:
    if name not in RULES:
        raise Http404(f"no rule is named {name}")
    return RULES[name]


def _edit(request: HttpRequest, rule: AnyRule, setting: RuleSetting) -> HttpResponse:
    new, posted = setting.pk is None, request.method == "POST"
    form = RuleSettingForm(rule, request.POST if posted else None, instance=setting)
    if posted and form.is_valid():
        saved = form.store()
        changed = {"changed": form.changed_data}
        record(Verb.ADDED if new else Verb.CHANGED, saved, details=changed)
        messages.success(request, f"{rule.title}: the setting was saved.")
        return redirect("rule-detail", rule.name)
    context = {"form": form, "rule": rule, "new": new}
    return render(request, "monitor/rule_form.html", context, status=422 if posted else 200)
