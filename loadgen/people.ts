// What makes a crowd a population beside messages from one to one: groups, whose presence each watches,
// 'typing', and the countries that users live in. Plain data, compiled to arithmetic over user numbers
// (group-map.ts, country-map.ts): no byte for each user.

import type { ArrivalPlan } from '#loadgen/arrivals.ts';
import { CountryMap, type CountryShape, regionsOf } from '#loadgen/country-map.ts';
import { GroupMap, type GroupPlan, type Region, usersOfAllSizes } from '#loadgen/group-map.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { PlanPace } from '#loadgen/plan-pace.ts';
import { type RateStep, rateSteps } from '#loadgen/rate-plan.ts';
import { drawBelow, LANE } from '#loadgen/seeded-draw.ts';

export interface People {
  groups: GroupPlan | undefined;
  /** How many others each user watches while he is in: p/<uid>. */
  contacts: number;
  /** Users say 'online' and 'offline' themselves, because the server does not. */
  announces: boolean;
  /** Messages that answer others; undefined = each stands for itself. */
  conversations: { messages: number; answerS: number } | undefined;
  /** Whoever writes to one user says 'typing' before. */
  hints: boolean;
  /** Empty = one region. */
  countries: readonly CountryShape[];
}

/** What the target makes of the topics of people: found by one login before the load (probe-people.ts). */
export interface TargetManners {
  /** A subscription to g/<gid> is taken. */
  takesGroups: boolean;
  /** A subscription to p/<uid> is taken; and the server tells by itself. */
  takesPresence: boolean;
  tellsPresence: boolean;
  /** The server makes second check marks. */
  makesReceipts: boolean;
}

/** At most one SUBSCRIBE's worth of people. */
export const CONTACTS_MAX = 8;

/** What of the people a target can have; and whether it makes receipts, where that is as it does. */
export function settlePeople<
  T extends { people: People | undefined; receipts: boolean; receiptsAsTold: boolean },
>(options: T, manners: TargetManners): T {
  const { people } = options;
  const { takesGroups, takesPresence, tellsPresence, makesReceipts } = manners;
  const receipts = options.receiptsAsTold ? makesReceipts : options.receipts;
  if (people === undefined) return { ...options, receipts };
  return {
    ...options,
    receipts,
    people: {
      ...people,
      groups: takesGroups ? people.groups : undefined,
      contacts: takesPresence ? people.contacts : 0,
      announces: takesPresence && people.contacts > 0 && !tellsPresence,
    },
  };
}

/** What a target was found to make of people, or of messages alone, for who reads along. */
export function mannersText(manners: TargetManners, hasPeople: boolean): string {
  const { takesGroups, takesPresence, tellsPresence, makesReceipts } = manners;
  const receipts = `${makesReceipts ? 'makes second check marks' : 'makes no second check marks'}\n`;
  if (!hasPeople) return `target: ${receipts}`;
  const presence = !takesPresence
    ? 'no presence: p/ is refused'
    : `presence told by ${tellsPresence ? 'the server' : 'the users themselves'}`;
  return `target: ${takesGroups ? 'takes groups' : 'no groups: g/ is refused'}, ${presence}, ${receipts}`;
}

/** Countries that have users enough for groups of their own; none when one has not. */
export function settledCountries(
  countries: readonly CountryShape[],
  users: number,
): readonly CountryShape[] {
  return regionsOf(countries, users).every(({ count }) => count >= 2) ? countries : [];
}

/** The users of a country; undefined where there is none of that name. */
export function regionOfCountry(
  people: People | undefined,
  users: number,
  code: string,
): Region | undefined {
  const countries = settledCountries(people?.countries ?? [], users);
  const index = countries.findIndex((country) => country.code === code);
  return index < 0 ? undefined : regionsOf(countries, users)[index];
}

/** What a plan of arrivals is made of. */
export interface PlanParts extends ArrivalPlan {
  people: People | undefined;
  /** Length of a day, ms; undefined = no daily curve. */
  dayMs: number | undefined;
  /** Messages a second as they were planned. */
  steps: readonly RateStep[];
}

/** The plan of arrivals with what people add to it. */
export function withPeople({ people, dayMs, steps, ...plan }: PlanParts): ArrivalPlan {
  if (people === undefined) return plan;
  const countries = settledCountries(people.countries, plan.users);
  const isWorld = countries.length > 0;
  const { groups, conversations } = people;
  const isByHour = isWorld && dayMs !== undefined;
  return {
    ...plan,
    groups:
      groups === undefined
        ? undefined
        : new GroupMap(groups, groupRegions(groups, countries, plan.users), plan.seed),
    countries: isByHour ? new CountryMap(countries, plan.users, dayMs) : undefined,
    // Who writes follows the hour there: an answer would follow another one.
    conversations:
      isByHour || conversations === undefined
        ? undefined
        : {
            answerRatio: 1 - 1 / conversations.messages,
            answerS: conversations.answerS,
            pace: new PlanPace(steps),
          },
  };
}

/** Groups are within a country where every country has some of every size. */
function groupRegions(
  groups: GroupPlan,
  countries: readonly CountryShape[],
  users: number,
): readonly Region[] {
  const regions = regionsOf(countries, users);
  const least = usersOfAllSizes(groups);
  const areLarge = regions.length > 0 && regions.every(({ count }) => count >= least);
  return areLarge ? regions : [{ first: 0, count: users }];
}

/** The plan of arrivals of a load; `users` of all its hosts. */
export function arrivalPlan(options: LoadOptions, users: number): ArrivalPlan {
  const { seed, process, trace, people, ratePlan } = options;
  const { dayMs } = ratePlan;
  const steps = rateSteps(ratePlan);
  return withPeople({ seed, process, users, trace: trace?.gaps, people, dayMs, steps });
}

/** Deliveries of a message on average, when everybody is there. */
export function deliveriesPerMessage(people: People | undefined): number {
  if (people?.groups === undefined) return 1;
  const { share, sizes } = people.groups;
  const members = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return 1 - share + share * (members - 1);
}

/** Whom `user` watches as his `contact`-th; never himself where there is anybody else. */
export function contactOf(seed: number, users: number, user: number, contact: number): number {
  const step =
    1 + drawBelow(seed, user * CONTACTS_MAX + contact, LANE.contact, Math.max(1, users - 1));
  return (user + step) % users;
}
