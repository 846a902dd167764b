/** The node that the scheduler chose for a claim that waits for its first consumer. */
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
/** Who is to make a claim's volume; the second is the name that provisioners of before 1.23 look for. */
export const storageProvisionerAnnotation = 'volume.kubernetes.io/storage-provisioner';
export const betaStorageProvisionerAnnotation = 'volume.beta.kubernetes.io/storage-provisioner';
