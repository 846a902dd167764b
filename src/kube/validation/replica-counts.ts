import { invalid } from '../field-error.ts';
import { type Errors, nonNegative } from './common.ts';

/** The counts that ReplicaSets and ReplicationControllers report. */
export interface ReplicaCounts {
  readonly replicas?: number;
  readonly fullyLabeledReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly observedGeneration?: number;
}

/** No count is negative, none exceeds that of which it is a part. */
export function* validateReplicaCounts(status: ReplicaCounts): Errors {
  const { replicas = 0, fullyLabeledReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  yield* nonNegative(replicas, 'status.replicas');
  yield* nonNegative(fullyLabeledReplicas, 'status.fullyLabeledReplicas');
  yield* nonNegative(readyReplicas, 'status.readyReplicas');
  yield* nonNegative(availableReplicas, 'status.availableReplicas');
  yield* nonNegative(status.observedGeneration, 'status.observedGeneration');
  yield* partsOfReplicas({ fullyLabeledReplicas, readyReplicas, availableReplicas }, replicas);
  if (availableReplicas > readyReplicas) {
    yield invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas');
  }
}

/** Counts that can't exceed the number of replicas. */
export function* partsOfReplicas(counts: Readonly<Record<string, number>>, replicas: number): Errors {
  for (const [name, count] of Object.entries(counts)) {
    if (count > replicas) yield invalid(`status.${name}`, count, 'cannot be greater than status.replicas');
  }
}
