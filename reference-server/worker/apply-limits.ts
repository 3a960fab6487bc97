// Bounds that are settings: a worker writes what the main thread wishes into the limits that its edge, home and
// broker read at every use, so a change is seen with the next packet. What is there already stays.

import type { Home } from '#reference-server/home/home.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import type { WorkerSettings } from '#reference-server/worker/worker-control.ts';

/** The settings that a server begins with. */
export function settingsOf(limits: ServerLimits): Partial<WorkerSettings> {
  const { broker } = limits;
  return {
    mailboxMessages: limits.mailboxMessagesMax,
    mailboxBytes: limits.mailboxBytesMax,
    windowMessages: limits.windowMessagesMax,
    redeliveries: limits.redeliveriesMax,
    receipts: limits.receipts.mode,
    receiptCoalesceMs: limits.receipts.coalesceMs,
    presenceDelayMs: limits.presenceDelayMs,
    packetBytes: limits.packetBytesMax,
    outputBytes: limits.outputBytesSoftMax,
    publishPerS: limits.publishPerS,
    sessionMessages: broker.queueMessagesMax,
    connectBytes: limits.connectBytesMax,
    loginTimeoutMs: limits.loginTimeoutMs,
    loginsPerS: limits.loginsPerS,
    keepAliveS: limits.keepAliveMaxS,
    sessionExpiryS: broker.sessionExpiryMaxS,
    userProperties: limits.userPropertiesMax,
    propertyBytes: limits.propertyBytesMax,
    topicBytes: broker.topicLengthMax,
    topicLevels: broker.levelsMax,
    subscriptions: broker.sessionSubscriptionsMax,
    groupMembers: broker.groupMembersMax,
  };
}

export function applyLimits(settings: WorkerSettings, limits: ServerLimits, home: Home): void {
  const mailbox = home.mailboxes.limits;
  mailbox.mailboxMessagesMax = settings.mailboxMessages;
  mailbox.mailboxBytesMax = settings.mailboxBytes;
  mailbox.windowMessagesMax = settings.windowMessages;
  mailbox.redeliveriesMax = settings.redeliveries;
  limits.receipts.mode = settings.receipts;
  home.receiptCoalesceMs = settings.receiptCoalesceMs;
  home.presence.delayMs = settings.presenceDelayMs;
  limits.packetBytesMax = settings.packetBytes;
  limits.outputBytesSoftMax = settings.outputBytes;
  limits.publishPerS = settings.publishPerS;
  limits.connectBytesMax = settings.connectBytes;
  limits.loginTimeoutMs = settings.loginTimeoutMs;
  limits.loginsPerS = settings.loginsPerS;
  limits.keepAliveMaxS = settings.keepAliveS;
  limits.userPropertiesMax = settings.userProperties;
  limits.propertyBytesMax = settings.propertyBytes;
  const { broker } = limits;
  broker.sessionExpiryMaxS = settings.sessionExpiryS;
  broker.queueMessagesMax = settings.sessionMessages;
  broker.topicLengthMax = settings.topicBytes;
  broker.levelsMax = settings.topicLevels;
  broker.sessionSubscriptionsMax = settings.subscriptions;
  broker.groupMembersMax = settings.groupMembers;
}
