/** The group that a join token puts its bearer in. */
export const joinGroup = 'system:bootstrappers:wherry:default-node-token';
