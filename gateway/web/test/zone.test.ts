// Moments in fields: the wall clock of a zone, there and back, also where clocks are changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromField, isZone, toField } from '../src/i18n/zone';

test('a field has the wall clock of the zone', () => {
  assert.equal(toField('2026-11-26T09:08:07Z', 'UTC'), '2026-11-26T09:08:07');
  assert.equal(toField('2026-11-26T15:30:00Z', 'Asia/Seoul'), '2026-11-27T00:30');
  assert.equal(toField('2026-11-26T03:00:00.5Z', 'America/New_York'), '2026-11-25T22:00');
  assert.equal(toField('1969-12-31T23:59:59.5Z', 'UTC'), '1969-12-31T23:59:59');
});

test('what is entered is a moment by the clock of the zone', () => {
  assert.equal(fromField('2026-11-27T00:30', 'Asia/Seoul'), '2026-11-26T15:30:00.000Z');
  assert.equal(fromField('2026-07-01T12:00', 'America/New_York'), '2026-07-01T16:00:00.000Z');
  assert.equal(fromField('2026-12-01T12:00', 'America/New_York'), '2026-12-01T17:00:00.000Z');
});

test('there and back a moment stays, in each hour of the days on which clocks are changed', () => {
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/New_York', 'Australia/Lord_Howe', undefined]) {
    for (const day of ['2026-03-08', '2026-04-04', '2026-10-03', '2026-11-26']) {
      for (let hour = 0; hour < 24; ++hour) {
        const moment = `${day}T${String(hour).padStart(2, '0')}:15:30.000Z`;
        assert.equal(fromField(toField(moment, zone), zone), moment, `${moment} in ${zone}`);
      }
    }
  }
});

test('an hour that is skipped is one beside it, and one that comes twice is one of the two', () => {
  assert.equal(fromField('2026-03-08T02:30', 'America/New_York'), '2026-03-08T06:30:00.000Z');
  assert.equal(toField(fromField('2026-11-01T01:30', 'America/New_York'), 'America/New_York'), '2026-11-01T01:30');
});

test('what is no moment is none, and what is no zone is known as none', () => {
  for (const text of ['', 'nonsense']) {
    assert.equal(toField(text, 'UTC'), '');
    assert.equal(fromField(text, 'UTC'), '');
  }
  assert.equal(toField(undefined, 'UTC'), '');
  assert.ok(isZone('Asia/Seoul') && !isZone('Nowhere/At_All') && !isZone(''));
});
