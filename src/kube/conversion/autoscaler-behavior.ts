import { isObject } from '../../core/json.ts';
import type { Draft } from '../draft.ts';
import type { HorizontalPodAutoscalerBehavior, HPAScalingPolicy, HPAScalingRules } from '../types.gen.ts';

/**
 * The behavior of an autoscaler as the autoscaling/v1 annotation has it: the fields of Go's internal type, by their Go
 * names and with nulls, for that type has no names for JSON.
 */
export function behaviorToV1(behavior: Draft<HorizontalPodAutoscalerBehavior>): object {
  return { ScaleUp: rulesToV1(behavior.scaleUp), ScaleDown: rulesToV1(behavior.scaleDown) };
}

function rulesToV1(rules: Draft<HPAScalingRules> | undefined): object | null {
  if (rules === undefined) return null;
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies:
      rules.policies?.map(({ type, value, periodSeconds }) => ({
        Type: type,
        Value: value,
        PeriodSeconds: periodSeconds,
      })) ?? null,
    Tolerance: rules.tolerance ?? null,
  };
}

/** Reads it back. Names match whatever their case, as in Go; undefined for anything of another form. */
export function behaviorFromV1(value: unknown): Draft<HorizontalPodAutoscalerBehavior> | undefined {
  if (!isObject(value)) return undefined;
  const behavior: Draft<HorizontalPodAutoscalerBehavior> = {};
  const scaleUp = rulesFromV1(memberOf(value, 'scaleup'));
  const scaleDown = rulesFromV1(memberOf(value, 'scaledown'));
  if (scaleUp !== undefined) behavior.scaleUp = scaleUp;
  if (scaleDown !== undefined) behavior.scaleDown = scaleDown;
  return behavior;
}

function rulesFromV1(value: unknown): Draft<HPAScalingRules> | undefined {
  if (!isObject(value)) return undefined;
  const rules: Draft<HPAScalingRules> = {};
  const window = memberOf(value, 'stabilizationwindowseconds');
  const select = memberOf(value, 'selectpolicy');
  const policies = memberOf(value, 'policies');
  const tolerance = memberOf(value, 'tolerance');
  if (typeof window === 'number') rules.stabilizationWindowSeconds = window;
  if (typeof select === 'string') rules.selectPolicy = select;
  if (Array.isArray(policies)) rules.policies = policies.filter(isObject).map(policyFromV1);
  if (typeof tolerance === 'string') rules.tolerance = tolerance;
  return rules;
}

function policyFromV1(policy: Readonly<Record<string, unknown>>): Draft<HPAScalingPolicy> {
  const type = memberOf(policy, 'type');
  const value = memberOf(policy, 'value');
  const period = memberOf(policy, 'periodseconds');
  return {
    type: typeof type === 'string' ? type : '',
    value: typeof value === 'number' ? value : 0,
    periodSeconds: typeof period === 'number' ? period : 0,
  };
}

function memberOf(value: Readonly<Record<string, unknown>>, lowerName: string): unknown {
  return Object.entries(value).find(([name]) => name.toLowerCase() === lowerName)?.[1];
}
